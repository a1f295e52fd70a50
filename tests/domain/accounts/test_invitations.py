"""Making an account by a link, which works once, and joining an organisation; and who may without one."""

import asyncio
from collections.abc import Iterator

import pytest

from entrepot.base.settings import Settings
from entrepot.domain.accounts.errors import (
    AddressMissing,
    EmailTaken,
    InvitationUnknown,
    LinkInvalid,
    NameTaken,
    OrganisationUnknown,
    PasswordTooShort,
    SignUpClosed,
    TooManySignIns,
)
from entrepot.domain.accounts.model import Place, Purpose
from support.parts import sql
from support.people import NETWORK, PASSWORD, URL, Scene, play

BY = "an administrator"


def secret_in(link: str) -> str:
    assert link.startswith(f"{URL}/accounts/links/"), link
    return link.rpartition("/")[2]


def test_a_link_that_is_shown_makes_one_account(place: Settings, number: Iterator[int]) -> None:
    name, email = f"ann{next(number)}", f"ann{next(number)}@example.com"

    async def scenario(scene: Scene) -> None:
        there = scene.who.people.invitations
        made, link = await there.invite_user(email.upper(), BY, by_administrator=True)
        secret = secret_in(link)
        assert made.id in {each.id for each in await there.page("", 100)}
        for wrong, error in ((("x", PASSWORD), LinkInvalid), ((secret, "short"), PasswordTooShort)):
            with pytest.raises(error):
                await there.accept(wrong[0], name, wrong[1])
        tries = [there.accept(secret, f"{name}{each}", PASSWORD) for each in "abc"]
        told = await asyncio.gather(*tries, return_exceptions=True)
        (account,) = [each for each in told if not isinstance(each, BaseException)]
        assert [type(each) for each in told if isinstance(each, BaseException)] == [LinkInvalid] * 2
        # The link was shown, not sent: that the address is theirs nobody knows yet.
        assert (account.email, account.email_verified_at) == (email, None)
        assert scene.box.mails == []
        with pytest.raises(LinkInvalid):
            await there.look(secret)
        stored = await sql(place, "SELECT secret FROM one_time_link WHERE id = $1", made.id)
        assert stored != [(secret,)]

    play(place, scenario, mails=False)


def test_a_link_that_failed_is_not_used_up_and_one_that_is_revoked_or_old_is(place: Settings, number: Iterator[int]) -> None:
    name = f"bob{next(number)}"

    async def scenario(scene: Scene) -> None:
        there = scene.who.people.invitations
        await scene.who.users.add(name, PASSWORD)
        made, link = await there.invite_user("", BY, by_administrator=True)
        with pytest.raises(NameTaken):
            await there.accept(secret_in(link), name, PASSWORD)
        await there.accept(secret_in(link), f"{name}x", PASSWORD)
        with pytest.raises(InvitationUnknown):
            await there.revoke(made.id)
        made, link = await there.invite_user("", BY, by_administrator=True)
        await there.revoke(made.id)
        old, expired = await there.invite_user("", BY, by_administrator=True)
        await sql(place, "UPDATE one_time_link SET expires_at = 1 WHERE id = $1", old.id)
        for each in (link, expired):
            with pytest.raises(LinkInvalid):
                await there.accept(secret_in(each), f"{name}y", PASSWORD)
        assert await there.prune() == 1

    play(place, scenario, mails=False)


def test_a_link_that_is_sent_is_shown_to_nobody_and_shows_whose_the_address_is(place: Settings, number: Iterator[int]) -> None:
    name, email = f"cy{next(number)}", f"cy{next(number)}@example.com"

    async def scenario(scene: Scene) -> None:
        there = scene.who.people.invitations
        made, link = await there.invite_user(email, BY, by_administrator=True)
        assert (link, made.is_mailed) == ("", True)
        assert await scene.deliver() == 1
        assert (scene.box.mails[-1]["To"], URL in scene.box.text()) == (email, True)
        account = await there.accept(scene.box.link(), name, PASSWORD)
        assert (account.email, account.email_verified_at is not None) == (email, True)
        _, link = await there.invite_user(email, BY, by_administrator=True)
        await scene.deliver()
        with pytest.raises(EmailTaken):
            await there.accept(scene.box.link(), f"{name}x", PASSWORD)

    play(place, scenario)


def test_an_invitation_leads_into_an_organisation(place: Settings, number: Iterator[int]) -> None:
    owner, team, other = f"di{next(number)}", f"team{next(number)}", f"dora{next(number)}"

    async def scenario(scene: Scene) -> None:
        who, there = scene.who, scene.who.people.invitations
        stranger = await who.users.add(other, PASSWORD)
        first = await who.users.add(owner, PASSWORD)
        await who.organisations.add(team, owner)
        made, link = await there.invite_member(team, other, Place.EDITOR, owner, by_administrator=False)
        assert (made.organisation, made.role, made.account) == (team, Place.EDITOR, stranger.id)
        for wrong in (there.join(secret_in(link), first), there.accept(secret_in(link), f"{other}x", PASSWORD)):
            with pytest.raises(LinkInvalid):
                await wrong
        await there.join(secret_in(link), stranger)
        with pytest.raises(LinkInvalid):
            await there.join(secret_in(link), stranger)
        _, link = await there.invite_member(team, f"{other}@example.com", Place.MEMBER, owner, by_administrator=True)
        newcomer = await there.accept(secret_in(link), f"{other}y", PASSWORD)
        assert newcomer.email == f"{other}@example.com"
        _, link = await there.invite_member(team, owner, Place.MEMBER, owner, by_administrator=True)
        await there.join(secret_in(link), first)  # nobody becomes less by a link
        members = {each.name: each.place for each in await who.organisations.members(team, "", 10)}
        assert members == {owner: Place.OWNER, other: Place.EDITOR, f"{other}y": Place.MEMBER}
        _, link = await there.invite_member(team, f"{other}z@example.com", Place.MEMBER, owner, by_administrator=False)
        assert [each.email for each in await there.page(team, 10)] == [f"{other}z@example.com"]
        with pytest.raises(LinkInvalid):  # of a member: nobody but an administrator makes accounts here
            await there.accept(secret_in(link), f"{other}z", PASSWORD)
        with pytest.raises(OrganisationUnknown):
            await there.invite_member(owner, other, Place.MEMBER, owner, by_administrator=True)

    play(place, scenario, mails=False)


@pytest.mark.parametrize(("signup", "mails"), [("closed", True), ("invite", True), ("open", True), ("open", False)])
def test_who_makes_an_account_without_an_invitation(place: Settings, number: Iterator[int], signup: str, mails: bool) -> None:  # noqa: FBT001
    name = f"ed{next(number)}"

    async def scenario(scene: Scene) -> None:
        there = scene.who.people.invitations
        told: dict[str, object] = {}
        for word, attempt in (
            ("invite", there.invite_user("", name, by_administrator=False)),
            ("ask", there.ask(f"{name}@example.com", NETWORK)),
            ("sign up", there.sign_up(name, PASSWORD, "203.0.113.77")),
        ):
            try:
                await attempt
                told[word] = None
            except (SignUpClosed, AddressMissing) as error:
                told[word] = type(error)
        assert told == {
            "invite": SignUpClosed if signup == "closed" else None,
            "ask": None if (signup, mails) == ("open", True) else SignUpClosed,
            "sign up": SignUpClosed if signup != "open" else AddressMissing if mails else None,
        }

    play(place, scenario, signup=signup, mails=mails)


def test_asking_for_an_account_tells_nobody_who_has_one(place: Settings, number: Iterator[int]) -> None:
    name = f"flo{next(number)}"

    async def scenario(scene: Scene) -> None:
        who, there = scene.who, scene.who.people.invitations
        await who.users.add(name, PASSWORD, email=f"{name}@example.com")
        await who.users.set_language(name, "fr")
        for email in (f"{name}@example.com", f"{name}x@example.com"):
            before = await sql(place, "SELECT count(*) FROM job")
            await there.ask(email, NETWORK)
            assert await sql(place, "SELECT count(*) FROM job") == [(before[0][0] + 1,)]
            assert len(await sql(place, "SELECT id FROM one_time_link WHERE email = $1", email)) == 0
            await scene.deliver()
            assert scene.box.mails[-1]["To"] == email
        assert "Vous avez déjà" in scene.box.mails[-2].get_content().replace("en avez déjà", "avez déjà")
        account = await there.accept(scene.box.link(), f"{name}x", PASSWORD)
        assert account.email_verified_at is not None
        for _ in range(4):
            await there.ask(f"{name}@example.com", NETWORK)
        with pytest.raises(TooManySignIns):
            await there.ask(f"{name}@example.com", NETWORK)

    play(place, scenario, signup="open")


def test_the_job_that_finds_out_is_the_same_for_all(place: Settings, number: Iterator[int]) -> None:
    name = f"gil{next(number)}"

    async def scenario(scene: Scene) -> None:
        await scene.who.people.invitations.ask(f"{name}@example.com", NETWORK)
        (row,) = await sql(place, "SELECT kind, arguments FROM job WHERE arguments LIKE $1", f"%{name}%")
        assert row == ("accounts.link_asked", f'{{"purpose":"{Purpose.USER}","subject":"{name}@example.com","account":0}}')
        await scene.deliver()

    play(place, scenario, signup="open")
