"""One's own account by its page: what asks for the password once more, what signs out whom, and codes that are told once."""

import base64
import re
import time
from collections.abc import Iterator

import pytest

from entrepot.app.parts import Accounts
from entrepot.base.settings import Settings
from entrepot.spec.otp import totp
from support.accounts import PASSWORD, Signed, basic, with_accounts
from support.http import Answer, Client
from support.instance import Instance
from support.reading import Read
from web.hub.test_sign_in import mark_in, seen, signed_in, submit

pytestmark = pytest.mark.single
ANOTHER = "another long password"
PAGE = "/me/account"


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """A hub with a user for each test."""
    data = tmp_path_factory.mktemp("account") / "data"
    with Instance(data, access="accounts", admin_password=PASSWORD) as instance:

        async def people(who: Accounts) -> None:
            for name in ("changer", "careful", "everywhere", "speaker", "guesser", "other"):
                await who.users.add(name, PASSWORD)

        with_accounts(Settings(data=str(data)), people)
        yield instance


@pytest.fixture
def client(instance: Instance) -> Client:
    return instance.client()


def ask(client: Client, cookie: str, **fields: str) -> Answer:
    return submit(client, PAGE, {**fields, "form": mark_in(client, cookie)}, cookie)


def cookie_of(answer: Answer) -> str:
    return answer.headers["set-cookie"].partition(";")[0]


def test_a_new_password_signs_out_all_browsers_but_this_one(client: Client) -> None:
    here, there = signed_in(client, "changer"), signed_in(client, "changer")
    for fields, said in (
        ({"current": "wrong", "new": ANOTHER}, "This is not your password of now."),
        ({"current": PASSWORD, "new": "short"}, "The password is too short."),
        ({"current": PASSWORD, "new": ""}, "The password is too short."),
    ):
        refused = ask(client, here, do="password", **fields)
        assert (refused.status, said in Read(refused).text) == (422, True)
    done = ask(client, here, do="password", current=PASSWORD, new=ANOTHER)
    assert (done.status, done.headers["location"]) == (303, PAGE)
    assert seen(client, PAGE, cookie_of(done)).status == 200
    assert {seen(client, PAGE, cookie).status for cookie in (here, there)} == {303}
    assert submit(client, "/sign-in", {"name": "changer", "password": PASSWORD}).status == 403
    assert submit(client, "/sign-in", {"name": "changer", "password": ANOTHER}).status == 303


def code_for(secret: str, later: int = 0) -> str:
    key = base64.b32decode(secret + "=" * (-len(secret) % 8))
    return totp.code(key, int(time.time()) // totp.STEP_S + later)


def test_a_second_factor_is_turned_on_asked_for_and_turned_off(instance: Instance, client: Client) -> None:
    here, there = signed_in(client, "careful"), signed_in(client, "careful")
    assert ask(client, here, do="begin", current="wrong").status == 422
    begun = ask(client, here, do="begin", current=PASSWORD)
    assert begun.headers["cache-control"] == "no-store"
    found = re.search(rb'name="secret" value="([A-Z2-7]+)"', begun.content)
    assert found
    secret = found.group(1).decode()
    assert b'href="otpauth://' in begun.content
    wrong = ask(client, here, do="confirm", code="000000", secret=secret, address="javascript:x()")
    assert (wrong.status, secret in wrong.content.decode(), "javascript:" in Read(wrong).text) == (422, True, False)
    assert b'href="javascript:' not in wrong.content
    done = ask(client, here, do="confirm", code=code_for(secret))
    assert (done.status, done.headers["cache-control"]) == (200, "no-store")
    codes = re.search(rb'<pre id="codes"[^>]*>([^<]+)</pre>', done.content)
    assert codes
    recovery = codes.group(1).decode().split()
    assert len(recovery) == 10
    assert seen(client, PAGE, there).status == 303, "a password that was enough is not any more"
    here = cookie_of(done)
    mark = re.search(rb'name="form" value="([0-9a-f]{96})"', done.content)
    assert mark
    assert submit(client, PAGE, {"do": "language", "language": "en", "form": mark.group(1).decode()}, here).status == 303
    assert "10 recovery codes are left." in seen(client, PAGE, here).text
    assert Signed(instance.url, basic("careful", PASSWORD)).get("/v2/").status == 401
    assert ask(client, here, do="remove", current=PASSWORD).status == 422
    assert ask(client, here, do="codes", current=PASSWORD, code=recovery[0]).status == 200
    assert ask(client, here, do="remove", current=PASSWORD, code=recovery[1]).status == 422, "new codes end the old ones"
    fresh = ask(client, here, do="codes", current=PASSWORD, code=code_for(secret, 1))
    again = re.search(rb'<pre id="codes"[^>]*>([^<]+)</pre>', fresh.content)
    assert again
    off = ask(client, here, do="remove", current=PASSWORD, code=again.group(1).decode().split()[0])
    assert (off.status, off.headers["location"]) == (303, PAGE)
    assert "Off." in seen(client, PAGE, cookie_of(off)).text


def test_browsers_are_signed_out_from_elsewhere(client: Client) -> None:
    here, there = signed_in(client, "everywhere"), signed_in(client, "everywhere")
    stranger = signed_in(client, "other")
    page = client.get(PAGE, headers={"accept": "text/html", "cookie": here}).content
    assert page.count(b"this browser") == 1
    (session,) = re.findall(rb'name="session" value="([0-9a-f-]+)"', page)
    assert ask(client, stranger, do="end", session=session.decode()).status == 422
    assert seen(client, PAGE, there).status == 200
    assert ask(client, here, do="end", session=session.decode()).status == 303
    assert (seen(client, PAGE, there).status, seen(client, PAGE, here).status) == (303, 200)
    assert ask(client, here, do="end", session=session.decode()).status == 422
    assert ask(client, here, do="end-all").headers["location"] == "/sign-in"
    assert seen(client, PAGE, here).status == 303


def test_the_language_of_mails_is_kept(client: Client) -> None:
    cookie = signed_in(client, "speaker")
    assert ask(client, cookie, do="language", language="fr").status == 303
    page = client.get(PAGE, headers={"accept": "text/html", "cookie": cookie}).content.decode()
    assert re.search(r'value="fr" lang="fr" selected', page)
    assert ask(client, cookie, do="language", language="xx").status == 404


def test_passwords_are_not_tried_here_without_end(client: Client) -> None:
    cookie = signed_in(client, "guesser")
    for _ in range(30):
        answer = ask(client, cookie, do="password", current="a guess of it", new=ANOTHER)
        if answer.status != 422:
            break
    assert (answer.status, "Too many tries." in Read(answer).text) == (429, True)


def test_nothing_is_done_for_who_is_not_there_or_asks_for_what_is_not(client: Client) -> None:
    away = client.get(PAGE, headers={"accept": "text/html"})
    assert (away.status, away.headers["location"]) == (303, "/sign-in?next=/me/account")
    cookie = signed_in(client, "other")
    assert ask(client, cookie, do="burn").status == 404
    assert submit(client, PAGE, {"do": "end-all"}, cookie).status == 403
    found = seen(client, f"{PAGE}?lang=fr", cookie)
    assert (found.language, found.stray, "Mot de passe actuel" in found.text) == ("fr", [], True)
