"""Signing in with a browser: in one step or two, from pages of this hub alone, and what is shown then."""

import base64
import re
from collections.abc import Iterator, Mapping
from typing import Final
from urllib.parse import urlencode

import pytest

from entrepot.app.parts import Accounts
from entrepot.base.settings import Settings
from entrepot.domain.accounts.model import Place
from entrepot.spec.otp import totp
from entrepot.web.hub.visiting import place_after
from support import images
from support.accounts import NETWORK, PASSWORD, Signed, basic, with_accounts
from support.http import Answer, Client
from support.instance import Instance
from support.parts import sql
from support.reading import Read, read

pytestmark = pytest.mark.single
HTML: Final = {"accept": "text/html"}


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """A hub with a user, an organisation that they are in, and a private image of each."""
    data = tmp_path_factory.mktemp("signing") / "data"
    with Instance(data, access="accounts", admin_password=PASSWORD) as instance:

        async def people(who: Accounts) -> None:
            for name in ("alice", "bob", "careful", "guessed"):
                await who.users.add(name, PASSWORD)
            await who.organisations.add("team", "admin")
            await who.organisations.add("crew", "admin")
            await who.organisations.set_member("crew", "bob", Place.MEMBER)
            await who.organisations.set_visibility("team", public=False)
            await who.organisations.set_visibility("alice", public=False)
            await who.organisations.set_member("team", "alice", Place.OWNER)

        with_accounts(Settings(data=str(data)), people)
        images.push(Signed(instance.url, basic("alice", PASSWORD)), "alice/tool", images.simple_image(1), "v1")
        images.push(Signed(instance.url, basic("admin", PASSWORD)), "team/app", images.simple_image(2), "v1")
        yield instance


def submit(client: Client, path: str, fields: Mapping[str, str], cookie: str = "", **headers: str) -> Answer:
    """Send a form as the browser does from a page of the hub; `headers` are what it says otherwise."""
    host = "{}:{}".format(*client.address)
    about = {**HTML, "content-type": "application/x-www-form-urlencoded", "origin": f"http://{host}"}
    about |= {name.replace("_", "-"): value for name, value in headers.items()}
    if cookie:
        about["cookie"] = cookie
    return client.post(path, body=urlencode(fields).encode(), headers={name: value for name, value in about.items() if value})


def signed_in(client: Client, name: str) -> str:
    """Sign somebody in; return the cookie that their browser sends from then on."""
    answer = submit(client, "/sign-in", {"name": name, "password": PASSWORD})
    assert (answer.status, answer.headers["location"]) == (303, "/"), answer
    return answer.headers["set-cookie"].partition(";")[0]


def seen(client: Client, path: str, cookie: str) -> Read:
    return Read(client.get(path, headers={**HTML, "cookie": cookie}))


def mark_in(client: Client, cookie: str) -> str:
    found = re.search(rb'name="form" value="([0-9a-f]{96})"', client.get("/", headers={**HTML, "cookie": cookie}).content)
    assert found
    return found.group(1).decode()


def test_who_signs_in_sees_what_is_theirs_until_they_sign_out(instance: Instance) -> None:
    client = instance.client()
    assert read(client, "/r/alice/tool").status == 404
    answer = submit(client, "/sign-in", {"name": "alice", "password": PASSWORD, "next": "/r/alice/tool"})
    assert (answer.status, answer.headers["location"]) == (303, "/r/alice/tool")
    pair, *about = [each.strip() for each in answer.headers["set-cookie"].split(";")]
    assert pair.startswith("entrepot=")
    assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= set(about)
    assert seen(client, "/r/alice/tool", pair).status == 200
    assert "alice/tool" in seen(client, "/", pair).text
    assert "team/app" not in seen(client, "/me", pair).text
    assert "team/app" in seen(client, "/me?of=team", pair).text
    done = submit(client, "/sign-out", {"form": mark_in(client, pair)}, pair)
    assert (done.status, done.headers["set-cookie"].startswith("entrepot=;")) == (303, True)
    assert seen(client, "/r/alice/tool", pair).status == 404, "the session itself has ended"


def test_a_wrong_password_is_told_in_the_page_and_what_was_typed_stays(instance: Instance) -> None:
    client = instance.client()
    name = 'nobody"><b>'
    answer = submit(client, "/sign-in?lang=fr", {"name": name, "password": "not the right one", "next": "/me"})
    assert (answer.status, "set-cookie" in answer.headers and "entrepot=" in answer.headers["set-cookie"]) == (403, False)
    assert b'value="nobody&#34;&gt;&lt;b&gt;"' in answer.content
    assert b'name="next" value="/me"' in answer.content
    found = Read(answer)
    assert "Le nom et le mot de passe ne vont pas ensemble." in found.text
    assert not found.stray
    assert b"not the right one" not in answer.content


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://elsewhere.example"},
        {"origin": "null"},
        {"origin": "http://[broken"},
        {"origin": ""},
        {"origin": "", "sec_fetch_site": "same-site"},
        {"origin": "https://elsewhere.example", "sec_fetch_site": "same-origin"},
    ],
)
def test_a_form_of_another_site_signs_nobody_in(instance: Instance, headers: dict[str, str]) -> None:
    answer = submit(instance.client(), "/sign-in", {"name": "alice", "password": PASSWORD}, **headers)
    assert answer.status == 403
    assert "set-cookie" not in answer.headers
    assert "Nothing was changed." in Read(answer).text


def test_a_browser_that_says_only_that_the_site_is_the_same_is_believed(instance: Instance) -> None:
    fields = {"name": "alice", "password": PASSWORD}
    assert submit(instance.client(), "/sign-in", fields, origin="", sec_fetch_site="same-origin").status == 303


@pytest.mark.parametrize("mark", ["", "0" * 64, "é"])
def test_a_form_without_the_mark_of_the_session_does_nothing(instance: Instance, mark: str) -> None:
    client = instance.client()
    cookie = signed_in(client, "alice")
    assert submit(client, "/sign-out", {"form": mark}, cookie).status == 403
    assert seen(client, "/me", cookie).status == 200


def test_a_mark_is_another_one_on_each_page_and_each_is_good(instance: Instance) -> None:
    client = instance.client()
    cookie = signed_in(client, "alice")
    first, second = mark_in(client, cookie), mark_in(client, cookie)
    assert first != second
    for mark in (first[:-1] + "0", second[:32] + first[32:]):
        assert submit(client, "/sign-out", {"form": mark}, cookie).status == 403 or mark == first
    assert submit(client, "/sign-out", {"form": first}, cookie).status == 303


def test_the_mark_of_one_session_is_none_of_another(instance: Instance) -> None:
    client = instance.client()
    first, second = signed_in(client, "alice"), signed_in(client, "bob")
    assert mark_in(client, first) != mark_in(client, second)
    assert submit(client, "/sign-out", {"form": mark_in(client, second)}, first).status == 403


@pytest.mark.parametrize(
    ("content_type", "body", "status"),
    [
        ("application/json", b"{}", 400),
        ("application/x-www-form-urlencoded", b"name=%FF", 400),
        ("application/x-www-form-urlencoded", b"name=a%00b&password=x", 400),
        ("application/x-www-form-urlencoded", b"&".join(b"a=b" for _ in range(200)), 400),
        ("application/x-www-form-urlencoded", b"name=" + b"a" * (300 << 10), 413),
        # The form in which passwords are hashed takes time that grows with the square of what such a one has.
        ("application/x-www-form-urlencoded", b"name=a&password=a" + b"%CC%95%CC%80" * 20_000, 413),
    ],
)
def test_what_is_no_form_is_refused_in_words(instance: Instance, content_type: str, body: bytes, status: int) -> None:
    client = instance.client()
    origin = "http://{}:{}".format(*client.address)
    answer = client.post("/sign-in", body=body, headers={**HTML, "content-type": content_type, "origin": origin})
    assert answer.status == status
    assert Read(answer).title


@pytest.mark.fast
@pytest.mark.parametrize(
    "asked",
    [None, "", "https://elsewhere.example/", "//elsewhere.example", "/\\elsewhere.example", "me", "/a\r\nX: y", "/\t/x", "/é"],
)
def test_where_it_leads_is_never_elsewhere(asked: str | None) -> None:
    assert place_after(asked) == "/"


@pytest.mark.fast
def test_where_it_leads_may_have_a_query() -> None:
    assert place_after("/me?of=team&after=x") == "/me?of=team&after=x"


def test_where_a_second_factor_is_on_a_code_is_asked_for(instance: Instance) -> None:
    async def enrol(who: Accounts) -> list[str]:
        account = await who.users.find("careful")
        secret = (await who.people.factors.begin(account)).secret
        ((now,),) = await sql(place, "SELECT CAST(strftime('%s', 'now') AS INTEGER)")
        code = totp.code(base64.b32decode(secret + "=" * (-len(secret) % 8)), now // totp.STEP_S)
        return await who.people.factors.confirm(account, code, NETWORK)

    place = Settings(data=str(instance.data))
    codes = with_accounts(place, enrol)
    client = instance.client()
    first = submit(client, "/sign-in", {"name": "careful", "password": PASSWORD, "next": "/me"})
    assert (first.status, "set-cookie" in first.headers) == (200, False)
    found = re.search(rb'name="step" value="([^"]+)"', first.content)
    assert found
    step = {"step": found.group(1).decode(), "next": "/me", "name": "careful"}
    wrong = submit(client, "/sign-in", {**step, "code": "000000"})
    assert (wrong.status, "This code is not right." in Read(wrong).text) == (403, True)
    late = submit(client, "/sign-in", {**step, "step": step["step"][:-3] + "AAA", "code": codes[0]})
    assert (late.status, "That took too long." in Read(late).text) == (403, True)
    done = submit(client, "/sign-in", {**step, "code": f" {codes[0]} "})
    assert (done.status, done.headers["location"]) == (303, "/me")
    cookie = done.headers["set-cookie"].partition(";")[0]
    assert "careful" in seen(client, "/me", cookie).text
    assert submit(client, "/sign-in", {**step, "code": codes[0]}).status == 403, "a code signs in once"
    assert seen(client, "/me", f"entrepot={step['step']}").status == 303, "what leads to the second step is no session"


def test_after_many_tries_the_page_says_how_long_to_wait(instance: Instance) -> None:
    client = instance.client()
    for _ in range(30):
        answer = submit(client, "/sign-in", {"name": "guessed", "password": "guess of a password"})
        if answer.status != 403:
            break
    assert answer.status == 429
    assert int(answer.headers["retry-after"]) > 0
    assert "Too many tries." in Read(answer).text


def test_what_is_one_s_own_is_shown_to_nobody_else(instance: Instance) -> None:
    client = instance.client()
    away = client.get("/me", headers=HTML)
    assert (away.status, away.headers["location"]) == (303, "/sign-in?next=/me")
    cookie = signed_in(client, "bob")
    assert seen(client, "/me?of=team", cookie).status == seen(client, "/me?of=absent", cookie).status == 404
    back = client.get("/me?of=team&after=x", headers=HTML)
    assert back.headers["location"] == "/sign-in?next=/me%3Fof%3Dteam%26after%3Dx"
    own = seen(client, "/me", cookie)
    assert "There is no image of bob yet." in own.text
    assert "Plan “free”" in own.text
    crew = seen(client, "/me?of=crew", cookie)
    assert (crew.status, "Plan" in crew.text, crew.stray) == (200, False, []), "what is used is for those who manage it"
    assert not own.stray
    assert "Offre « free »" in seen(client, "/me?lang=fr", cookie).text
    assert client.get("/sign-in", headers={**HTML, "cookie": cookie}).status == 303


def test_a_cookie_that_is_none_of_ours_signs_nobody_in(instance: Instance) -> None:
    client = instance.client()
    for cookie in ("entrepot=", "entrepot=x", "entrepot=" + "a" * 5000, "entrepot=é", "=;;=", "__Host-entrepot=x"):
        assert seen(client, "/me", cookie).status == 303, cookie


def test_by_https_the_cookie_is_the_host_s_own_and_never_sent_in_the_clear(tmp_path_factory: pytest.TempPathFactory) -> None:
    data = tmp_path_factory.mktemp("secure") / "data"
    with Instance(data, access="accounts", admin_password=PASSWORD, public_url="https://hub.example:443") as hub:
        client = hub.client()
        fields = {"name": "admin", "password": PASSWORD}
        assert submit(client, "/sign-in", fields).status == 403, "the address that the browser came by is another"
        assert submit(client, "/sign-in", fields, origin="http://hub.example").status == 403, "what came in the clear is not ours"
        answer = submit(client, "/sign-in", fields, origin="https://hub.example")
        about = [each.strip() for each in answer.headers["set-cookie"].split(";")]
        assert about[0].startswith("__Host-entrepot=")
        assert "Secure" in about
        assert seen(client, "/me", about[0]).status == 200
        assert seen(client, "/me", about[0].removeprefix("__Host-")).status == 303


def test_without_accounts_there_is_nothing_to_sign_in_to(client: Client) -> None:
    if not isinstance(client, Signed):
        assert {read(client, path).status for path in ("/sign-in", "/me")} == {404}
