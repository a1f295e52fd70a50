"""What everybody may do with their own account: have what is known of them, and end it."""

from collections.abc import Iterator

import msgspec
import pytest

from entrepot.base.settings import Settings
from entrepot.domain.accounts.errors import AccountUnknown, CodeNeeded, LastOwner, LinkInvalid, NameTaken, SignInRefused
from entrepot.domain.accounts.model import Place, Terms
from entrepot.domain.accounts.service.sessions import Browser
from support.parts import sql
from support.people import NETWORK, PASSWORD, Scene, play

_TABLES = ("session", "second_factor", "recovery_code", "one_time_link", "credential", "member", "team_member", "account_grant")


def test_what_is_known_of_somebody_has_no_secret(place: Settings, number: Iterator[int]) -> None:
    name, team = f"ann{next(number)}", f"team{next(number)}"

    async def scenario(scene: Scene) -> None:
        who = scene.who
        await who.users.add(name, PASSWORD, email=f"{name}@example.com")
        account, _, codes = await scene.enrolled(name)
        await who.organisations.add(team, name)
        await who.organisations.add_team(team, "devs")
        await who.organisations.join_team(team, "devs", name)
        _, token = await who.credentials.add_personal(name, "laptop", Terms())
        browser = await who.people.sessions.start(account, Browser(NETWORK, "Firefox"))
        await who.people.recovery.ask_reset(name, NETWORK)
        await scene.deliver()
        text = msgspec.json.encode(await who.people.own.export(account)).decode()
        for part in (f'"email":"{name}@example.com"', '"laptop"', '"Firefox"', f'"{team}"', '"devs"', '"recovery_codes":10'):
            assert part in text
        for secret in (token, browser, scene.box.link(), codes[0], "argon2"):
            assert secret not in text

    play(place, scenario)


def test_an_account_is_ended_by_who_proves_to_own_it(place: Settings, number: Iterator[int]) -> None:
    name, team, other = f"bob{next(number)}", f"team{next(number)}", f"ben{next(number)}"

    async def scenario(scene: Scene) -> None:
        who, own = scene.who, scene.who.people.own
        await who.users.add(other, PASSWORD)
        await who.users.add(name, PASSWORD, email=f"{name}@example.com")
        account, secret, _ = await scene.enrolled(name)
        await who.organisations.add(team, name)
        _, token = await who.credentials.add_personal(name, "laptop", Terms())
        await who.people.sessions.start(account, Browser(NETWORK))
        await who.people.recovery.ask_reset(name, NETWORK)
        await scene.deliver()
        for password, code, error in (("wrong password", "", SignInRefused), (PASSWORD, "", CodeNeeded)):
            with pytest.raises(error):
                await own.delete(account, password, code, NETWORK)
        with pytest.raises(LastOwner, match=team):
            await own.delete(account, PASSWORD, await scene.code(secret, 1), NETWORK)
        await who.organisations.set_member(team, other, Place.OWNER)
        await sql(place, "UPDATE second_factor SET last_step = 0")
        await own.delete(account, PASSWORD, await scene.code(secret, 1), NETWORK)
        with pytest.raises(AccountUnknown):
            await who.users.find(name)
        with pytest.raises(SignInRefused):
            await who.identity.basic(name, token, NETWORK)
        with pytest.raises(LinkInvalid):
            await who.people.recovery.reset(scene.box.link(), "another fine password")
        with pytest.raises(NameTaken):
            await who.users.add(name, PASSWORD)
        for table in _TABLES:
            rows = await sql(place, f"SELECT * FROM {table} WHERE account = {account.id}")  # noqa: S608 - our own names
            assert rows == [], table

    play(place, scenario)
