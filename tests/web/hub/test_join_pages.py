"""How people come in by pages: invitations, open sign-up, links by real mail, a forgotten password."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from entrepot.app.parts import Accounts
from entrepot.base.settings import Settings
from entrepot.domain.accounts.model import Place
from support.accounts import PASSWORD, with_accounts
from support.http import Client
from support.instance import Instance
from support.mailbox import SENDER, Mailbox, mailbox
from support.reading import Read, read
from web.hub.test_sign_in import mark_in, seen, signed_in, submit

pytestmark = pytest.mark.single
ANOTHER = "another long password"
WAIT_S = 30


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """A hub by invitation only, with two users and an organisation of one of them."""
    data = tmp_path_factory.mktemp("joining") / "data"
    with Instance(data, access="accounts", admin_password=PASSWORD, access_log=True) as instance:

        async def people(who: Accounts) -> None:
            for name in ("ann", "bob"):
                await who.users.add(name, PASSWORD)
            await who.organisations.add("acme", "ann")

        with_accounts(Settings(data=str(data)), people)
        yield instance


def invited(instance: Instance, organisation: str = "", whom: str = "") -> str:
    """Invite somebody; return the page of the link."""

    async def invite(who: Accounts) -> str:
        verbs = who.people.invitations
        if organisation:
            _, link = await verbs.invite_member(organisation, whom, Place.EDITOR, "ann", by_administrator=True)
        else:
            _, link = await verbs.invite_user(whom, "ann", by_administrator=True)
        return link

    link = with_accounts(Settings(data=str(instance.data)), invite)
    return "/accounts/links/" + link.rpartition("/")[2]


def test_an_invitation_makes_an_account_that_is_signed_in_and_a_member(instance: Instance) -> None:
    client = instance.client()
    path = invited(instance, "acme", "cleo@example.com")
    shown = read(client, path)
    assert "ann invites you into acme." in shown.text
    assert not shown.stray
    for name, password, said in (
        ("ann", PASSWORD, "This name is taken, or kept for the hub itself."),
        ("Not A Name", PASSWORD, "This cannot be a name."),
        ("admin", PASSWORD, "This name is taken, or kept for the hub itself."),
        ("v2", PASSWORD, "This name is taken, or kept for the hub itself."),
        ("cleo", "short", "The password is too short."),
        ("cleo", "x" * 5000, "The password is too long."),
        ("cleo", "password1", "This password is one of those that are tried first."),
    ):
        answer = submit(client, path, {"name": name, "password": password})
        assert (answer.status, said in Read(answer).text) == (422, True), said
        assert "set-cookie" not in answer.headers
    made = submit(client, path, {"name": "cleo", "password": PASSWORD})
    assert (made.status, made.headers["location"]) == (303, "/me")
    cookie = made.headers["set-cookie"].partition(";")[0]
    assert "acme" in seen(client, "/me", cookie).text
    for again in (read(client, path), Read(submit(client, path, {"name": "dora", "password": PASSWORD}))):
        assert (again.status, "This link holds no more" in again.text) == (404, True)


def test_whoever_has_an_account_joins_with_it(instance: Instance) -> None:
    client = instance.client()
    path = invited(instance, "acme", "bob")
    out = read(client, path)
    assert "Sign in with your account, and open the link again." in out.text
    assert f"/sign-in?next={path.replace('/', '%2F')}" in out.links or f"/sign-in?next={path}" in out.links
    other, cookie = signed_in(client, "ann"), signed_in(client, "bob")
    assert submit(client, path, {"form": mark_in(client, other)}, other).status == 404, "it is for somebody else"
    assert submit(client, path, {}, cookie).status == 403
    joined = submit(client, path, {"form": mark_in(client, cookie)}, cookie)
    assert (joined.status, joined.headers["location"]) == (303, "/me?of=acme")


@pytest.mark.parametrize("path", ["/accounts/links/", "/accounts/links/nothing", "/accounts/links/" + "x" * 2000])
def test_a_link_that_is_none_is_told_so(instance: Instance, path: str) -> None:
    found = read(instance.client(), path)
    assert (found.status, "This link holds no more" in found.text) == (404, True)


def test_the_secret_of_a_link_stands_in_no_log(instance: Instance) -> None:
    path = invited(instance, whom="")
    assert read(instance.client(), path).status == 200
    assert instance.client().get(path).status == 404, "programs are not answered with pages"
    submit(instance.client(), path, {"name": "Not A Name", "password": PASSWORD})
    assert path.rpartition("/")[2] not in instance.log.read_text("utf-8")


def test_by_invitation_only_the_page_says_so_and_makes_nothing(instance: Instance) -> None:
    client = instance.client()
    assert "Accounts are made by invitation here." in read(client, "/sign-up").text
    made = submit(client, "/sign-up", {"name": "dora", "password": PASSWORD})
    assert (made.status, "set-cookie" in made.headers) == (200, False)
    assert "This hub sends no mail." in read(client, "/sign-in/forgotten").text
    assert submit(client, "/sign-in/forgotten", {"name": "ann"}).status == 404
    assert submit(client, "/sign-in", {"name": "dora", "password": PASSWORD}).status == 403


def test_where_everybody_may_an_account_is_made_at_once(tmp_path: Path) -> None:
    with Instance(tmp_path / "data", access="accounts", admin_password=PASSWORD, signup="open") as hub:
        client = hub.client()
        assert submit(client, "/sign-up", {"name": "admin", "password": PASSWORD}).status == 422
        made = submit(client, "/sign-up", {"name": "dora", "password": PASSWORD})
        assert (made.status, made.headers["location"]) == (303, "/me")
        cookie = made.headers["set-cookie"].partition(";")[0]
        assert "dora" in seen(client, "/me", cookie).text
        assert client.get("/sign-up", headers={"accept": "text/html", "cookie": cookie}).status == 303


async def came(box: Mailbox, number: int) -> str:
    """Wait for a mail; return the path of the link in it."""
    async with asyncio.timeout(WAIT_S):
        while len(box.mails) < number:
            box.came.clear()
            await box.came.wait()
    return f"/accounts/links/{box.link()}"


def test_links_by_mail_make_an_account_and_another_password(tmp_path: Path) -> None:
    def ask(client: Client, path: str, **fields: str) -> None:
        found = Read(submit(client, path, fields))
        assert (found.status, "Look into your mail" in found.text) == (200, True)

    async def scenario() -> None:
        async with mailbox() as box:
            data = tmp_path / "data"
            hub = Instance(data, access="accounts", admin_password=PASSWORD, signup="open", smtp=box.url, mail_from=SENDER)
            await asyncio.to_thread(hub.__enter__)
            try:
                client = hub.client()
                found = await asyncio.to_thread(submit, client, "/sign-up", {"email": "no address"})
                assert (found.status, "This is no address of mail." in Read(found).text) == (422, True)
                await asyncio.to_thread(ask, client, "/sign-up", email="eve@example.com")
                path = await came(box, 1)
                made = await asyncio.to_thread(submit, client, path, {"name": "eve", "password": PASSWORD})
                assert made.status == 303
                cookie = made.headers["set-cookie"].partition(";")[0]
                await asyncio.to_thread(ask, client, "/sign-in/forgotten", name="nobody")
                await asyncio.to_thread(ask, client, "/sign-in/forgotten", name="eve")
                path = await came(box, 2)
                looked = await asyncio.to_thread(read, client, path)
                assert "New password for eve" in looked.text
                assert (await asyncio.to_thread(submit, client, path, {"password": "short"})).status == 422
                done = Read(await asyncio.to_thread(submit, client, path, {"password": ANOTHER}))
                assert "The password is changed" in done.text
                assert (await asyncio.to_thread(seen, client, "/me", cookie)).status == 303, "the session of before has ended"
                assert (await asyncio.to_thread(read, client, path)).status == 404
                for password, status in ((PASSWORD, 403), (ANOTHER, 303)):
                    fields = {"name": "eve", "password": password}
                    assert (await asyncio.to_thread(submit, client, "/sign-in", fields)).status == status
            finally:
                await asyncio.to_thread(hub.__exit__, None, None, None)

    asyncio.run(scenario())


@pytest.mark.parametrize("path", ["/sign-up", "/sign-in/forgotten", "/sign-in", "/accounts/links/nothing"])
def test_the_pages_are_whole_in_french(instance: Instance, path: str) -> None:
    found = read(instance.client(), f"{path}?lang=fr")
    assert (found.language, found.stray) == ("fr", [])
