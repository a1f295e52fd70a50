"""Mail as jobs: sent when it is caused, again when the server was busy, not again when it was refused, on time for tokens."""

from collections.abc import Iterator

import pytest

from entrepot.base.settings import Settings
from entrepot.domain.accounts.errors import LinkInvalid
from entrepot.domain.accounts.model import Grant, Held, Place, Scope, Terms
from entrepot.domain.accounts.service.post import MailNotSet
from support.parts import sql
from support.people import NETWORK, PASSWORD, SENDER, URL, Scene, play

DAY_S = 86_400


def test_a_mail_that_the_server_did_not_take_is_sent_later_with_a_link_of_its_own(place: Settings, number: Iterator[int]) -> None:
    name = f"ann{next(number)}"

    async def scenario(scene: Scene) -> None:
        await scene.who.users.add(name, PASSWORD, email=f"{name}@example.com")
        scene.box.busy = True
        await scene.who.people.recovery.ask_reset(name, NETWORK)
        await scene.deliver()
        assert scene.box.mails == []
        assert len(await sql(place, "SELECT id FROM job WHERE state = 'ready' AND error LIKE '%451%'")) == 1
        scene.box.busy = False
        await scene.deliver()
        await scene.who.people.recovery.reset(scene.box.link(), "another fine password")
        scene.box.refuses.add(f"{name}@example.com")
        await scene.who.people.recovery.ask_reset(name, NETWORK)
        await scene.deliver()
        assert await sql(place, "SELECT id FROM job WHERE state NOT IN ('done', 'cancelled')") == []

    play(place, scenario)


def test_a_link_that_was_revoked_before_it_was_sent_is_not_sent(place: Settings, number: Iterator[int]) -> None:
    email = f"bob{next(number)}@example.com"

    async def scenario(scene: Scene) -> None:
        there = scene.who.people.invitations
        made, _ = await there.invite_user(email, "ann", by_administrator=True)
        await there.revoke(made.id)
        await scene.deliver()
        assert scene.box.mails == []
        with pytest.raises(LinkInvalid):
            await there.look("")

    play(place, scenario)


def test_an_owner_is_told_before_a_token_expires_twice(place: Settings, number: Iterator[int]) -> None:
    name, other = f"cy{next(number)}", f"cleo{next(number)}"

    async def scenario(scene: Scene) -> None:
        who, post = scene.who, scene.who.people.post
        await who.users.add(name, PASSWORD, email=f"{name}@example.com")
        await who.users.add(other, PASSWORD)
        await who.users.set_language(name, "fr")
        for owner in (name, other):
            made, _ = await who.credentials.add_personal(owner, "laptop", Terms(), lifetime_s=20 * DAY_S)
            await who.credentials.add_personal(owner, "for two days", Terms(), lifetime_s=2 * DAY_S)
        assert await post.notice_tokens() == 0
        gone = 0
        for days, told in ((5, 0), (7, 1), (8, 0), (16, 0), (18, 1), (19, 0), (21, 0)):
            await _pass(place, days - gone)
            gone = days
            assert await post.notice_tokens() == told, days
        assert await scene.deliver() == 2
        assert {each["To"] for each in scene.box.mails} == {f"{name}@example.com"}
        assert "Le jeton « laptop »" in scene.box.text()
        await who.credentials.revoke(made.id)

    play(place, scenario)


def test_owners_of_an_organisation_are_told_of_its_tokens_and_robots(place: Settings, number: Iterator[int]) -> None:
    names, team = [f"dan{next(number)}" for _ in range(3)], f"crew{next(number)}"

    async def scenario(scene: Scene) -> None:
        who = scene.who
        for name in names:
            await who.users.add(name, PASSWORD, email=f"{name}@example.com")
        await who.organisations.add(team, names[0])
        await who.organisations.set_member(team, names[1], Place.OWNER)
        await who.organisations.set_member(team, names[2], Place.EDITOR)
        robot = Terms(Scope.DELETE, grants=(Held("app", Grant.READ),))
        await who.credentials.add_organisation(team, "deploy", Terms(), created_by=names[0], lifetime_s=20 * DAY_S)
        await who.credentials.add_robot(team, "deploy", robot, created_by=names[0], lifetime_s=20 * DAY_S)
        await who.credentials.add_robot(names[2], "deploy", robot, created_by=names[2], lifetime_s=20 * DAY_S)
        await _pass(place, 7, "deploy")
        assert await who.people.post.notice_tokens() == 5
        assert await scene.deliver() == 5
        assert sorted(each["To"] for each in scene.box.mails) == sorted(
            f"{name}@example.com" for name in (names[0], names[0], names[1], names[1], names[2])
        )

    play(place, scenario)


async def _pass(place: Settings, days: int, name: str = "laptop") -> None:
    """Let days pass for the tokens."""
    us = days * DAY_S * 1_000_000
    change = f"created_at = created_at - {us}, expires_at = expires_at - {us}"
    await sql(place, f"UPDATE credential SET {change} WHERE name = $1", name)  # noqa: S608 - our own numbers


def test_a_mail_says_who_sends_it_and_wants_no_answer_of_a_machine(place: Settings) -> None:
    async def scenario(scene: Scene) -> None:
        await scene.who.people.post.test("ann@example.com")
        (mail,) = scene.box.mails
        assert (mail["From"].addresses[0].addr_spec, mail["Auto-Submitted"]) == (SENDER, "auto-generated")
        assert URL.removeprefix("https://") in mail["Subject"]
        assert mail["Message-ID"].endswith("@example.com>")

    play(place, scenario)


def test_without_a_server_none_is_sent(place: Settings) -> None:
    async def scenario(scene: Scene) -> None:
        with pytest.raises(MailNotSet, match="--smtp"):
            await scene.who.people.post.test("ann@example.com")

    play(place, scenario, mails=False)
