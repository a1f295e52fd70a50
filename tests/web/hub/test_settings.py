"""The settings of an image by its page: what it says, who sees it, its archive and its end, for those who may."""

import re
from collections.abc import Iterator

import pytest

from entrepot.app.parts import Accounts
from entrepot.base.settings import Settings
from entrepot.domain.accounts.model import Grant, Held
from support import images
from support.accounts import PASSWORD, Signed, basic, with_accounts
from support.http import Answer, Client
from support.instance import Instance
from support.reading import Read, read
from web.hub.test_sign_in import mark_in, seen, signed_in, submit

pytestmark = pytest.mark.single


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """A hub with an owner, somebody who may push to their image `tool`, and a stranger."""
    data = tmp_path_factory.mktemp("settings") / "data"
    with Instance(data, access="accounts", admin_password=PASSWORD) as instance:

        async def people(who: Accounts) -> None:
            for name in ("alice", "writer", "keeper", "stranger"):
                await who.users.add(name, PASSWORD)
            await who.organisations.grant_to_account("alice", "writer", Held("tool", Grant.WRITE))
            await who.organisations.grant_to_account("alice", "keeper", Held("tool", Grant.ADMIN))

        with_accounts(Settings(data=str(data)), people)
        alice = Signed(instance.url, basic("alice", PASSWORD))
        for name in ("tool", "other", "gone", "secret"):
            images.push(alice, f"alice/{name}", images.simple_image(1), "v1")
        yield instance


@pytest.fixture
def client(instance: Instance) -> Client:
    return instance.client()


def settle(client: Client, cookie: str, image: str, **fields: str) -> Answer:
    return submit(client, f"/r/alice/{image}/-/settings", {**fields, "form": mark_in(client, cookie)}, cookie)


def test_what_an_image_says_is_previewed_and_saved(client: Client) -> None:
    cookie = signed_in(client, "alice")
    assert "/r/alice/tool/-/settings" in seen(client, "/r/alice/tool", cookie).links
    fields = {"description": 'A "fine"\n tool', "readme": "# Use <b>it</b>\r\n\r\n<script>x()</script>\n"}
    preview = settle(client, cookie, "tool", do="preview", **fields)
    found = Read(preview)
    assert (preview.status, found.stray) == (200, [])
    assert "Preview: not saved yet" in found.text
    assert "readme-use-it" in found.ids
    assert b"<script>x()" not in preview.content
    assert "A &#34;fine&#34;" in preview.content.decode()
    assert "fine" not in read(client, "/r/alice/tool").text, "a preview saves nothing"
    saved = settle(client, cookie, "tool", do="describe", **fields)
    assert (saved.status, saved.headers["location"]) == (303, "/r/alice/tool")
    assert 'A "fine" tool' in read(client, "/r/alice/tool").text
    text = client.get("/r/alice/tool/-/settings", headers={"accept": "text/html", "cookie": cookie}).content.decode()
    assert re.search(r"<textarea[^>]*>\n# Use &lt;b&gt;it&lt;/b&gt;\n\n&lt;script&gt;", text)


def test_an_image_is_put_on_shelves_and_given_a_star(client: Client) -> None:
    cookie = signed_in(client, "alice")
    shelves = {f"category-{name}": "on" for name in ("databases", "security")}
    assert settle(client, cookie, "other", do="describe", description="shelved", readme="", **shelves).status == 303
    page = read(client, "/r/alice/other")
    assert {"/search?category=databases", "/search?category=security"} <= set(page.links)
    more = {**shelves, "category-languages": "on", "category-networking": "on"}
    refused = settle(client, cookie, "other", do="describe", description="lost?", readme="", **more)
    assert (refused.status, "too many shelves" in Read(refused).text) == (422, True)
    assert "shelved" in read(client, "/r/alice/other").text
    star = "/r/alice/other/-/star"
    assert submit(client, star, {}, "").headers["location"].startswith("/sign-in")
    assert submit(client, star, {"form": "forged"}, cookie).status == 403
    for _ in range(2):
        assert submit(client, star, {"form": mark_in(client, cookie)}, cookie).status == 303
    assert "Starred 1" in seen(client, "/r/alice/other", cookie).text
    assert "Star 1" in read(client, "/r/alice/other").text
    submit(client, star, {"form": mark_in(client, cookie), "deed": "take"}, cookie)
    assert "Star 0" in read(client, "/r/alice/other").text
    hidden = submit(client, "/r/alice/secret-zz/-/star", {"form": mark_in(client, cookie)}, cookie)
    assert hidden.status == 404


def test_a_badge_of_what_is_private_is_shown_to_nobody(client: Client) -> None:
    cookie = signed_in(client, "alice")
    assert settle(client, cookie, "secret", do="hide").status == 303
    for headers in ({}, {"cookie": cookie}):
        assert client.get("/r/alice/secret/-/badge/pulls.svg", headers=headers).status == 404
    assert settle(client, cookie, "secret", do="show").status == 303
    assert client.get("/r/alice/secret/-/badge/pulls.svg").status == 200


def test_a_text_that_is_too_long_is_kept_in_the_form_and_not_saved(client: Client) -> None:
    cookie = signed_in(client, "alice")
    answer = settle(client, cookie, "other", do="describe", description="kept here", readme="x" * 25_001)
    assert (answer.status, "a text is too long" in Read(answer).text) == (422, True)
    assert 'value="kept here"' in answer.content.decode()
    assert "kept here" not in read(client, "/r/alice/other").text


def test_who_sees_it_changes_at_once_and_within_the_plan(client: Client) -> None:
    cookie = signed_in(client, "alice")
    assert settle(client, cookie, "secret", do="hide").status == 303
    assert read(client, "/r/alice/secret").status == 404
    refused = settle(client, cookie, "other", do="hide")
    assert (refused.status, "its plan free allows no more" in Read(refused).text) == (422, True)
    assert read(client, "/r/alice/other").status == 200
    assert settle(client, cookie, "secret", do="show").status == 303
    assert read(client, "/r/alice/secret").status == 200


def test_an_archived_image_takes_no_pushes_until_it_is_opened_again(instance: Instance, client: Client) -> None:
    cookie = signed_in(client, "alice")
    alice = Signed(instance.url, basic("alice", PASSWORD))
    assert settle(client, cookie, "other", do="archive").status == 303
    assert "It is archived" in seen(client, "/r/alice/other/-/settings", cookie).text
    assert alice.post("/v2/alice/other/blobs/uploads/").status == 403
    assert settle(client, cookie, "other", do="reopen").status == 303
    assert alice.post("/v2/alice/other/blobs/uploads/").status == 202


def test_an_image_is_deleted_once_its_name_is_typed(client: Client) -> None:
    cookie = signed_in(client, "alice")
    for typed in ("", "alice", "alice/Gone"):
        refused = settle(client, cookie, "gone", do="delete", name=typed)
        assert (refused.status, "Nothing was deleted." in Read(refused).text) == (422, True)
    assert read(client, "/r/alice/gone").status == 200
    done = settle(client, cookie, "gone", do="delete", name="alice/gone")
    assert (done.status, done.headers["location"]) == (303, "/me")
    assert read(client, "/r/alice/gone").status == 404


def test_only_those_who_may_have_settings(client: Client) -> None:
    about = {"do": "describe", "readme": "x"}
    for away in (
        client.get("/r/alice/tool/-/settings", headers={"accept": "text/html"}),
        submit(client, "/r/alice/tool/-/settings", about),
    ):
        assert (away.status, away.headers["location"]) == (303, "/sign-in?next=/r/alice/tool/-/settings")
    stranger, writer, keeper = (signed_in(client, name) for name in ("stranger", "writer", "keeper"))
    for cookie in (stranger, writer):
        assert seen(client, "/r/alice/tool/-/settings", cookie).status == 403
        assert "/r/alice/tool/-/settings" not in seen(client, "/r/alice/tool", cookie).links
        for deed in ("describe", "hide", "archive", "delete"):
            assert settle(client, cookie, "tool", do=deed, name="alice/tool", readme="mine now").status == 403, deed
    assert "Delete the image" in seen(client, "/r/alice/tool/-/settings", keeper).text
    assert settle(client, keeper, "tool", do="describe", description="kept", readme="").status == 303
    assert read(client, "/r/alice/tool").status == 200


def test_a_hidden_image_has_no_settings_for_a_stranger_as_one_that_is_not_there(client: Client) -> None:
    alice, stranger = signed_in(client, "alice"), signed_in(client, "stranger")
    assert settle(client, alice, "secret", do="hide").status == 303
    answers = [
        client.get(f"/r/alice/{name}/-/settings", headers={"accept": "text/html", "cookie": stranger})
        for name in ("secret", "absent")
    ]
    assert answers[0].status == answers[1].status == 404
    hidden, absent = (re.sub(rb'value="[0-9a-f]{96}"', b"", answer.content) for answer in answers)
    assert hidden.replace(b"secret", b"absent") == absent
    assert settle(client, stranger, "secret", do="show").status == 404
    assert settle(client, alice, "secret", do="show").status == 303


def test_a_button_that_there_is_not_does_nothing(client: Client) -> None:
    cookie = signed_in(client, "alice")
    assert settle(client, cookie, "tool", do="burn").status == 404
    assert submit(client, "/r/alice/tool", {"form": mark_in(client, cookie)}, cookie).status == 404
    assert submit(client, "/r/alice/tool/-/settings", {"do": "hide"}, cookie).status == 403
    found = seen(client, "/r/alice/tool/-/settings?lang=fr", cookie)
    assert (found.language, found.stray, "Réglages" in found.text) == ("fr", [], True)
