"""Mail as jobs: sent when it is caused, again when the server was busy, not again when it was refused, on time for tokens."""

from collections.abc import Iterator

import pytest

from entrepot.base.settings import Settings
from entrepot.domain.accounts.errors import LinkInvalid
from entrepot.domain.accounts.model import Terms
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


async def _pass(place: Settings, days: int) -> None:
    """Let days pass for the tokens."""
    us = days * DAY_S * 1_000_000
    change = f"created_at = created_at - {us}, expires_at = expires_at - {us}"
    await sql(place, f"UPDATE credential SET {change} WHERE name = 'laptop'")  # noqa: S608 - our own numbers


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
