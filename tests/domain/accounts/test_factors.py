"""Two-factor sign-in: each code works once, what is signed in ends, and clients of the registry need a token."""

import asyncio
from collections.abc import Iterator

import pytest

from entrepot.base.settings import Settings
from entrepot.domain.access.errors import TokenRefused
from entrepot.domain.access.model import Role, roles
from entrepot.domain.accounts.errors import (
    CodeNeeded,
    CodeRefused,
    PasswordNotEnough,
    SecondFactorMissing,
    SecondFactorThere,
    TooManySignIns,
)
from entrepot.domain.accounts.model import Place, Terms
from entrepot.domain.accounts.service.factors import RECOVERY_CODES
from entrepot.domain.accounts.service.sessions import Browser
from support.parts import sql
from support.people import NETWORK, PASSWORD, Scene, play, secret_of

HERE = Browser(NETWORK)


def test_a_code_works_once_and_so_does_an_earlier_one_after_it(place: Settings, number: Iterator[int]) -> None:
    name = f"ann{next(number)}"

    async def scenario(scene: Scene) -> None:
        await scene.who.users.add(name, PASSWORD)
        account, secret, _ = await scene.enrolled(name)
        newest = await scene.code(secret, 1)
        tries = [scene.who.people.factors.prove(account, newest, NETWORK) for _ in range(3)]
        told = await asyncio.gather(*tries, return_exceptions=True)
        assert [type(each) for each in told if each is not None] == [CodeRefused] * 2
        for old in (newest, await scene.code(secret), await scene.code(secret, -1), "000000", "x"):
            with pytest.raises(CodeRefused):
                await scene.who.people.factors.prove(account, old, NETWORK)

    play(place, scenario)


def test_a_recovery_code_works_once(place: Settings, number: Iterator[int]) -> None:
    name, other = f"bob{next(number)}", f"ben{next(number)}"

    async def scenario(scene: Scene) -> None:
        for each in (name, other):
            await scene.who.users.add(each, PASSWORD)
        account, _, codes = await scene.enrolled(name)
        stranger, _, others = await scene.enrolled(other)
        factors = scene.who.people.factors
        assert len(set(codes)) == RECOVERY_CODES
        for first, second in ((codes[0], codes[0]), (codes[1].upper().replace("-", " "), codes[1]), (codes[2], others[0])):
            await factors.prove(account, first, NETWORK)
            with pytest.raises(CodeRefused):
                await factors.prove(account, second, NETWORK)
        assert (await factors.state(account)).recovery_codes == RECOVERY_CODES - 3
        fresh = await factors.new_recovery_codes(account)
        with pytest.raises(CodeRefused):
            await factors.prove(account, codes[5], NETWORK)
        await factors.prove(account, fresh[0], NETWORK)
        assert (await factors.state(stranger)).recovery_codes == RECOVERY_CODES
        assert all(row[0] not in "".join(codes) for row in await sql(place, "SELECT code FROM recovery_code"))

    play(place, scenario)


def test_it_is_on_once_a_code_was_given_and_ends_what_was_signed_in(place: Settings, number: Iterator[int]) -> None:
    name = f"cy{next(number)}"

    async def scenario(scene: Scene) -> None:
        who, factors = scene.who, scene.who.people.factors
        account = await who.users.add(name, PASSWORD)
        with pytest.raises(SecondFactorMissing):
            await factors.confirm(account, "123456", NETWORK)
        await factors.begin(account)
        secret = secret_of((await factors.begin(account)).secret)
        before = await who.identity.basic(name, PASSWORD, NETWORK)
        _, browser = await who.people.sessions.sign_in(name, PASSWORD, "", HERE)
        with pytest.raises(CodeRefused):
            await factors.confirm(account, await scene.code(secret, 5), NETWORK)
        await factors.confirm(account, await scene.code(secret), NETWORK)
        with pytest.raises(TokenRefused):
            await who.identity.still(before)
        assert await who.people.sessions.find(browser, NETWORK) is None
        account = await who.users.find(name)
        for attempt in (factors.begin(account), factors.confirm(account, await scene.code(secret, 1), NETWORK)):
            with pytest.raises(SecondFactorThere):
                await attempt
        await factors.remove(account)
        with pytest.raises(SecondFactorMissing):
            await factors.remove(account)
        assert (await factors.state(account)).since is None
        await who.identity.basic(name, PASSWORD, NETWORK)

    play(place, scenario)


def test_a_client_needs_a_token_and_a_browser_a_code(place: Settings, number: Iterator[int]) -> None:
    name = f"di{next(number)}"

    async def scenario(scene: Scene) -> None:
        who = scene.who
        await who.users.add(name, PASSWORD)
        await who.identity.basic(name, PASSWORD, NETWORK)
        _, secret, _ = await scene.enrolled(name)
        with pytest.raises(PasswordNotEnough, match="make a token"):
            await who.identity.basic(name, PASSWORD, NETWORK)
        _, token = await who.credentials.add_personal(name, "laptop", Terms())
        await who.identity.basic(name, token, NETWORK)
        with pytest.raises(CodeNeeded):
            await who.people.sessions.sign_in(name, PASSWORD, "", HERE)
        with pytest.raises(CodeRefused):
            await who.people.sessions.sign_in(name, PASSWORD, "000000", HERE)
        await who.people.sessions.sign_in(name, PASSWORD, await scene.code(secret, 1), HERE)

    play(place, scenario)


def test_codes_are_not_found_by_trying(place: Settings, number: Iterator[int]) -> None:
    name = f"ed{next(number)}"

    async def scenario(scene: Scene) -> None:
        await scene.who.users.add(name, PASSWORD)
        account, secret, _ = await scene.enrolled(name)
        for tried in range(20):
            with pytest.raises(CodeRefused):
                await scene.who.people.factors.prove(account, "000000", f"198.51.100.{tried % 4}")
        with pytest.raises(TooManySignIns):
            await scene.who.people.factors.prove(account, await scene.code(secret, 1), "203.0.113.7")

    play(place, scenario)


def test_of_codes_that_are_tried_at_once_no_more_are_looked_at(place: Settings, number: Iterator[int]) -> None:
    name = f"ef{next(number)}"

    async def scenario(scene: Scene) -> None:
        await scene.who.users.add(name, PASSWORD)
        account, secret, _ = await scene.enrolled(name)
        factors = scene.who.people.factors
        tries = [factors.prove(account, "000000", f"198.51.100.{tried % 4}") for tried in range(60)]
        ended = [type(each) for each in await asyncio.gather(*tries, return_exceptions=True)]
        assert (ended.count(CodeRefused), ended.count(TooManySignIns)) == (20, 40)
        with pytest.raises(TooManySignIns):
            await factors.prove(account, await scene.code(secret, 1), "203.0.113.7")

    play(place, scenario)


def test_a_code_that_is_right_counts_as_no_failure(place: Settings, number: Iterator[int]) -> None:
    name = f"eg{next(number)}"

    async def scenario(scene: Scene) -> None:
        await scene.who.users.add(name, PASSWORD)
        account, _, codes = await scene.enrolled(name)
        for code in codes[:9]:  # with 18 failures between them: two more would be too many
            for wrong in range(2):
                with pytest.raises(CodeRefused):
                    await scene.who.people.factors.prove(account, "000000", f"198.51.100.{wrong}")
            await scene.who.people.factors.prove(account, code, "198.51.100.7")

    play(place, scenario)


def test_an_organisation_that_asks_for_it_is_nothing_to_who_has_none(place: Settings, number: Iterator[int]) -> None:
    name, team = f"flo{next(number)}", f"team{next(number)}"

    async def scenario(scene: Scene) -> None:
        who = scene.who
        account = await who.users.add(name, PASSWORD)
        await who.organisations.add(team, name)
        actor = await who.identity.basic(name, PASSWORD, NETWORK)

        async def found() -> frozenset[Role]:
            return roles(actor, await who.organisations.standing(account.id, team), f"{team}/app")

        assert await found() == {Role.OWNER}
        await who.organisations.require_second_factor(team, is_required=True)
        assert await found() == frozenset()
        assert (await who.organisations.standing(account.id, team)).place is Place.OWNER
        await scene.enrolled(name)
        assert await found() == {Role.OWNER}
        await who.people.factors.remove(account)
        assert await found() == frozenset()
        await who.organisations.require_second_factor(team, is_required=False)
        assert await found() == {Role.OWNER}

    play(place, scenario)
