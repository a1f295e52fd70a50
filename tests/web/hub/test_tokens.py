"""Access tokens by pages: made with a form, shown once, told in a sentence, revoked by their owner alone."""

import re
from collections.abc import Iterator
from typing import Final

import pytest

from entrepot.app.parts import Accounts
from entrepot.base.settings import Settings
from support.accounts import PASSWORD, Signed, basic, with_accounts
from support.http import Answer, Client
from support.instance import Instance
from support.modes import change
from support.reading import Read
from web.hub.test_sign_in import mark_in, seen, signed_in, submit

pytestmark = pytest.mark.single
FIELDS: Final = {"name": "laptop", "scope": "write", "repositories": "", "tags": "", "networks": "", "days": "90"}


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """A hub with two users."""
    data = tmp_path_factory.mktemp("tokens") / "data"
    with Instance(data, access="accounts", admin_password=PASSWORD) as instance:

        async def people(who: Accounts) -> None:
            for name in ("alice", "bob"):
                await who.users.add(name, PASSWORD)

        with_accounts(Settings(data=str(data)), people)
        yield instance


@pytest.fixture
def client(instance: Instance) -> Client:
    return instance.client()


def make(client: Client, cookie: str, **fields: str) -> Answer:
    return submit(client, "/me/tokens", {**FIELDS, **fields, "form": mark_in(client, cookie)}, cookie)


def secret_in(answer: Answer) -> str:
    found = re.search(rb'<code id="secret"[^>]*>([^<]+)</code>', answer.content)
    assert found, answer
    return found.group(1).decode()


def test_a_token_that_was_made_signs_in_until_it_is_revoked(instance: Instance, client: Client) -> None:
    cookie = signed_in(client, "alice")
    made = make(client, cookie, repositories="alice/app, alice/web", tags="v*", networks="127.0.0.0/8")
    assert made.status == 200
    assert made.headers["cache-control"] == "no-store"
    text = Read(made).text
    assert "May pull and push where you may, only in alice/app, alice/web, only tags v*, only from 127.0.0.0/8, until" in text
    secret = secret_in(made)
    assert secret not in client.get("/me/tokens", headers={"accept": "text/html", "cookie": cookie}).content.decode()
    with_token = Signed(instance.url, basic("alice", secret))
    assert with_token.get("/api/v1/user").status == 200
    listed = client.get("/me/tokens", headers={"accept": "text/html", "cookie": cookie})
    (path,) = re.findall(rb'href="(/me/tokens/[0-9a-f-]{36})"', listed.content)
    asked = seen(client, path.decode(), cookie)
    assert "Revoke the token “laptop”?" in asked.text
    assert with_token.get("/api/v1/user").status == 200, "asking revokes nothing"
    done = submit(client, path.decode(), {"form": mark_in(client, cookie)}, cookie)
    assert (done.status, done.headers["location"]) == (303, "/me/tokens")
    assert with_token.get("/api/v1/user").status == 401
    assert "revoked" in seen(client, "/me/tokens", cookie).text
    assert "It signs in no more already." in seen(client, path.decode(), cookie).text


def test_nobody_sees_or_revokes_another_one_s_token(client: Client) -> None:
    alice, bob = signed_in(client, "alice"), signed_in(client, "bob")
    make(client, bob, name="bob's own")
    listed = client.get("/me/tokens", headers={"accept": "text/html", "cookie": bob})
    path = re.findall(rb'href="(/me/tokens/[0-9a-f-]{36})"', listed.content)[0].decode()
    assert seen(client, path, alice).status == 404
    assert submit(client, path, {"form": mark_in(client, alice)}, alice).status == 404
    assert "bob&#39;s own" not in client.get("/me/tokens", headers={"accept": "text/html", "cookie": alice}).content.decode()
    assert seen(client, path, bob).status == 200


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("name", "", "A name has one line and 1 to 100 characters."),
        ("name", "x" * 101, "A name has one line and 1 to 100 characters."),
        ("repositories", "alice/ok Alice<b>", "“Alice<b>” is no name of repositories"),
        ("repositories", " ".join(f"alice/r{number}" for number in range(200)), "is no name of repositories"),
        ("tags", "v* a/b", "“a/b” is no tag"),
        ("networks", "192.0.2.0/33", "“192.0.2.0/33” is no network"),
        ("days", "36501", "Choose one of these."),
    ],
)
def test_what_cannot_be_read_is_told_at_its_field_and_the_rest_stays(client: Client, field: str, value: str, said: str) -> None:
    cookie = signed_in(client, "alice")
    fields = {**FIELDS, "name": "kept as it was", "tags": "v1*", field: value}
    answer = make(client, cookie, **fields)
    found = Read(answer)
    assert answer.status == 422
    assert said in found.text
    assert f'href="#{field}"' in answer.content.decode()
    assert not found.stray
    if field != "name":
        assert 'value="kept as it was"' in answer.content.decode()
    assert "kept as it was" not in seen(client, "/me/tokens", cookie).text


def test_nobody_makes_a_token_for_somebody_who_only_visits_another_site(client: Client) -> None:
    cookie = signed_in(client, "alice")
    mark = mark_in(client, cookie)
    assert submit(client, "/me/tokens", {**FIELDS, "form": mark}, cookie, origin="https://elsewhere.example").status == 403
    assert submit(client, "/me/tokens", FIELDS, cookie).status == 403
    away = submit(client, "/me/tokens", FIELDS)
    assert (away.status, away.headers["location"]) == (303, "/sign-in?next=/me/tokens")


def test_while_the_registry_is_read_only_nothing_is_made(instance: Instance, client: Client) -> None:
    cookie = signed_in(client, "alice")
    place = Settings(data=str(instance.data))
    change(place, read_only=True, reason="a move")
    try:
        answer = make(client, cookie, name="too late")
        assert answer.status == 503
        assert "This hub is read-only at the moment" in Read(answer).text
    finally:
        change(place, read_only=False)
    assert "too late" not in seen(client, "/me/tokens", cookie).text


@pytest.mark.parametrize("path", ["/me/tokens", "/me/tokens/new"])
def test_the_pages_are_whole_in_french(client: Client, path: str) -> None:
    found = seen(client, f"{path}?lang=fr", signed_in(client, "alice"))
    assert (found.status, found.language, found.stray) == (200, "fr", [])
    assert "jeton" in found.text.lower()
