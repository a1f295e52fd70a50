"""Sessions of browsers: drawn anew at each sign-in, seen and ended by their owner, and ended by whatever ends a sign-in."""

from collections.abc import Awaitable, Callable, Iterator

import pytest

from entrepot.base.settings import Settings
from entrepot.domain.accounts.errors import SessionUnknown, SignInRefused
from entrepot.domain.accounts.service.sessions import Browser
from support.parts import sql
from support.people import NETWORK, PASSWORD, Scene, play

DAY_US = 86_400_000_000


def test_signing_in_draws_a_secret_and_ends_the_one_that_was_there(place: Settings, number: Iterator[int]) -> None:
    name, attacker = f"ann{next(number)}", f"mal{next(number)}"

    async def scenario(scene: Scene) -> None:
        sessions = scene.who.people.sessions
        for each in (name, attacker):
            await scene.who.users.add(each, PASSWORD)
        _, planted = await sessions.sign_in(attacker, PASSWORD, "", Browser("198.51.100.1"))
        account, secret = await sessions.sign_in(name, PASSWORD, "", Browser(NETWORK, "Firefox\n" * 100, planted))
        assert await sessions.find(planted, NETWORK) is None
        found = await sessions.find(secret, NETWORK)
        assert found is not None
        assert (found[0].name, found[1].address, len(found[1].agent)) == (name, NETWORK, 300)
        assert await sessions.find("made-up", NETWORK) is None
        _, again = await sessions.sign_in(name, PASSWORD, "", Browser(NETWORK, secret="of nobody"))  # noqa: S106 - of none
        assert again != secret
        assert len(await sessions.of_account(account)) == 2
        assert not [row for row in await sql(place, "SELECT id, secret FROM session") if again in row or secret in row]

    play(place, scenario)


def test_a_session_ends_by_itself_when_it_is_old_or_was_not_used(place: Settings, number: Iterator[int]) -> None:
    name = f"bob{next(number)}"

    async def scenario(scene: Scene) -> None:
        sessions = scene.who.people.sessions
        await scene.who.users.add(name, PASSWORD)
        for change in (f"seen_at = seen_at - {7 * DAY_US + 1}", f"ends_at = ends_at - {30 * DAY_US}"):
            account, secret = await sessions.sign_in(name, PASSWORD, "", Browser(NETWORK))
            assert await sessions.find(secret, NETWORK) is not None
            await sql(place, f"UPDATE session SET {change} WHERE account = {account.id}")  # noqa: S608 - our own numbers
            assert await sessions.find(secret, NETWORK) is None
            assert await sessions.of_account(account) == []
            assert await sessions.prune() == 1

    play(place, scenario)


@pytest.mark.parametrize("how", ["password", "lock", "delete", "everywhere", "one", "here", "all"])
def test_what_ends_a_sign_in_ends_its_sessions(place: Settings, number: Iterator[int], how: str) -> None:
    name = f"cy{next(number)}"

    async def scenario(scene: Scene) -> None:
        who, sessions = scene.who, scene.who.people.sessions
        await who.users.add(name, PASSWORD)
        account, secret = await sessions.sign_in(name, PASSWORD, "", Browser(NETWORK))
        (session,) = await sessions.of_account(account)
        ways: dict[str, Callable[[], Awaitable[object]]] = {
            "password": lambda: who.users.set_password(name, "another fine password"),
            "lock": lambda: who.users.set_active(name, is_active=False),
            "delete": lambda: who.users.delete(name),
            "everywhere": lambda: sessions.sign_out_everywhere(account),
            "one": lambda: sessions.end(account, session.id),
            "here": lambda: sessions.end_this(secret),
            "all": lambda: sessions.end_all(account),
        }
        await ways[how]()
        assert await sessions.find(secret, NETWORK) is None
        with pytest.raises(SessionUnknown):
            await sessions.end(account, "none")

    play(place, scenario)


def test_nobody_ends_or_begins_a_session_for_somebody_else(place: Settings, number: Iterator[int]) -> None:
    name, other = f"di{next(number)}", f"dora{next(number)}"

    async def scenario(scene: Scene) -> None:
        who, sessions = scene.who, scene.who.people.sessions
        stranger = await who.users.add(other, PASSWORD)
        old = await who.users.add(name, PASSWORD)
        account, secret = await sessions.sign_in(name, PASSWORD, "", Browser(NETWORK))
        (session,) = await sessions.of_account(account)
        with pytest.raises(SessionUnknown):
            await sessions.end(stranger, session.id)
        assert await sessions.find(secret, "203.0.113.9") is not None
        await sessions.end_any(session.id)
        with pytest.raises(SessionUnknown):
            await sessions.end_any(session.id)
        await who.users.set_password(name, "another fine password")
        with pytest.raises(SignInRefused):  # what was proved before the change begins nothing after it
            await sessions.start(old, Browser(NETWORK))

    play(place, scenario)


def test_the_oldest_sessions_end_when_there_are_too_many(place: Settings, number: Iterator[int]) -> None:
    name = f"ed{next(number)}"

    async def scenario(scene: Scene) -> None:
        sessions = scene.who.people.sessions
        account = await scene.who.users.add(name, PASSWORD)
        made = [await sessions.start(account, Browser(NETWORK)) for _ in range(52)]
        assert len(await sessions.of_account(account)) == 50
        held = [await sessions.find(each, NETWORK) is not None for each in made]
        assert sum(held) == 50
        assert all(held[20:]), "of some that were begun in the same moment, any may be the oldest"

    play(place, scenario)
