"""Another password by a link that works once, for an hour, and tells nobody who has an account; addresses shown to be theirs."""

import asyncio
from collections.abc import Iterator

import pytest

from entrepot.base.settings import Settings
from entrepot.domain.access.errors import TokenRefused
from entrepot.domain.accounts.errors import (
    CodeNeeded,
    EmailTaken,
    LinkInvalid,
    PasswordTooShort,
    SignInRefused,
    TooManySignIns,
)
from entrepot.domain.accounts.model import Terms
from entrepot.domain.accounts.service.sessions import Browser
from support.parts import sql
from support.people import NETWORK, PASSWORD, Scene, play

ANOTHER = "another fine password"


async def asked(scene: Scene, name: str) -> str:
    """Ask for another password and return the secret that came by mail."""
    await scene.who.people.recovery.ask_reset(name, NETWORK)
    assert await scene.deliver() == 2
    return scene.box.link()


def test_a_link_replaces_a_password_once_and_ends_all_but_tokens(place: Settings, number: Iterator[int]) -> None:
    name = f"ann{next(number)}"

    async def scenario(scene: Scene) -> None:
        who, recovery = scene.who, scene.who.people.recovery
        await who.users.add(name, PASSWORD, email=f"{name}@example.com")
        _, token = await who.credentials.add_personal(name, "laptop", Terms())
        _, browser = await who.people.sessions.sign_in(name, PASSWORD, "", Browser(NETWORK))
        client = await who.identity.basic(name, PASSWORD, NETWORK)
        other, secret = await asked(scene, name), await asked(scene, f"{name}@EXAMPLE.com")
        with pytest.raises(PasswordTooShort):
            await recovery.reset(secret, "short")
        tries = await asyncio.gather(*(recovery.reset(secret, ANOTHER) for _ in range(2)), return_exceptions=True)
        assert [type(each) for each in tries if isinstance(each, BaseException)] == [LinkInvalid]
        for used in (secret, other):
            with pytest.raises(LinkInvalid):
                await recovery.reset(used, ANOTHER)
        assert await who.people.sessions.find(browser, NETWORK) is None
        with pytest.raises(TokenRefused):
            await who.identity.still(client)
        with pytest.raises(SignInRefused):  # which was proved less than a minute ago
            await who.identity.basic(name, PASSWORD, NETWORK)
        await who.identity.basic(name, ANOTHER, NETWORK)
        await who.identity.basic(name, token, NETWORK)
        await scene.deliver()
        assert "was just replaced" in scene.box.text()

    play(place, scenario)


def test_a_link_ends_after_an_hour_and_is_nobodys_in_the_database(place: Settings, number: Iterator[int]) -> None:
    name = f"bob{next(number)}"

    async def scenario(scene: Scene) -> None:
        await scene.who.users.add(name, PASSWORD, email=f"{name}@example.com")
        secret = await asked(scene, name)
        for table in ("one_time_link", "job"):
            assert secret not in str(await sql(place, f"SELECT * FROM {table}"))  # noqa: S608 - our own names
        await sql(place, f"UPDATE one_time_link SET expires_at = expires_at - {3600 * 1_000_000}")  # noqa: S608
        with pytest.raises(LinkInvalid):
            await scene.who.people.recovery.reset(secret, ANOTHER)

    play(place, scenario)


def test_asking_tells_nobody_who_has_an_account(place: Settings, number: Iterator[int]) -> None:
    name, locked = f"cy{next(number)}", f"cleo{next(number)}"

    async def scenario(scene: Scene) -> None:
        who = scene.who
        await who.users.add(name, PASSWORD, email=f"{name}@example.com")
        await who.users.add(f"{name}-x", PASSWORD)
        await who.users.add(locked, PASSWORD, email=f"{locked}@example.com")
        await who.users.set_active(locked, is_active=False)
        for subject in ("nobody", "nobody@example.com", f"{name}-x", locked, name):
            before = await sql(place, "SELECT count(*) FROM job")
            await who.people.recovery.ask_reset(subject, NETWORK)
            assert await sql(place, "SELECT count(*) FROM job") == [(before[0][0] + 1,)], subject
        await scene.deliver()
        assert [each["To"] for each in scene.box.mails] == [f"{name}@example.com"]

    play(place, scenario)


@pytest.mark.parametrize("word", ["known", "unknown"])
def test_asking_often_is_refused_alike(place: Settings, number: Iterator[int], word: str) -> None:
    name = f"di{next(number)}"

    async def scenario(scene: Scene) -> None:
        await scene.who.users.add(name, PASSWORD, email=f"{name}@example.com")
        subject = name if word == "known" else f"{name}-x"
        for _ in range(5):
            await scene.who.people.recovery.ask_reset(subject, "198.51.100.40")
        with pytest.raises(TooManySignIns):
            await scene.who.people.recovery.ask_reset(subject, "203.0.113.40")
        await scene.who.users.sign_in(name, PASSWORD, "198.51.100.40")
        await scene.deliver()

    play(place, scenario)


def test_the_second_factor_stays(place: Settings, number: Iterator[int]) -> None:
    name = f"ed{next(number)}"

    async def scenario(scene: Scene) -> None:
        await scene.who.users.add(name, PASSWORD, email=f"{name}@example.com")
        await scene.enrolled(name)
        await scene.who.people.recovery.reset(await asked(scene, name), ANOTHER)
        with pytest.raises(CodeNeeded):
            await scene.who.people.sessions.sign_in(name, ANOTHER, "", Browser(NETWORK))

    play(place, scenario)


def test_an_address_is_somebodys_when_its_link_came_back(place: Settings, number: Iterator[int]) -> None:
    name, other = f"flo{next(number)}", f"fay{next(number)}"

    async def scenario(scene: Scene) -> None:
        who, recovery = scene.who, scene.who.people.recovery
        account = await who.users.add(name, PASSWORD, email=f"{name}@example.com")
        await who.users.add(other, PASSWORD, email=f"{other}@example.com")
        await recovery.ask_address(account, f"{name}@new.example.com", NETWORK)
        await scene.deliver()
        assert scene.box.mails[-1]["To"] == f"{name}@new.example.com"
        secret = scene.box.link()
        assert (await who.users.find(name)).email == f"{name}@example.com"
        with pytest.raises(LinkInvalid):  # each link is for what it is for
            await recovery.reset(secret, ANOTHER)
        changed = await recovery.confirm_address(secret)
        assert (changed.email, changed.email_verified_at is not None) == (f"{name}@new.example.com", True)
        with pytest.raises(LinkInvalid):
            await recovery.confirm_address(secret)
        await recovery.ask_address(account, f"{other}@example.com", NETWORK)
        await scene.deliver()
        assert (scene.box.mails[-1]["To"], other in scene.box.text()) == (f"{other}@example.com", True)
        await recovery.ask_address(account, f"{other}@late.example.com", NETWORK)
        await scene.deliver()
        await who.users.set_email(other, f"{other}@late.example.com")
        with pytest.raises(EmailTaken):
            await recovery.confirm_address(scene.box.link())

    play(place, scenario)
