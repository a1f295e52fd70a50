"""Users: made, changed, deleted, and signing in, on both databases."""

import asyncio
from collections.abc import Iterator

import pytest

from entrepot.app.parts import Accounts
from entrepot.base.settings import Settings
from entrepot.domain.accounts.errors import (
    AccountUnknown,
    EmailTaken,
    LastAdministrator,
    LastOwner,
    NameTaken,
    PasswordKnown,
    SignInRefused,
    TooManySignIns,
)
from entrepot.domain.accounts.model import Place, Scope, Terms
from entrepot.domain.accounts.service import throttle
from entrepot.spec.oci.names import NameReserved, NamespaceInvalid
from support.accounts import NETWORK, PASSWORD, with_accounts
from support.parts import sql


def test_a_user_signs_in_by_name_or_address_and_by_no_other_password(place: Settings, number: Iterator[int]) -> None:
    name = f"ann{next(number)}"

    async def scenario(who: Accounts) -> None:
        made = await who.users.add(name, PASSWORD, email=f"{name}@Example.com")
        assert (made.name, made.email, made.is_admin, made.is_active) == (name, f"{name}@example.com", False, True)
        for given in (name, f"{name}@EXAMPLE.com"):
            assert (await who.users.sign_in(given, PASSWORD, NETWORK)).id == made.id
        for given, password in ((name, PASSWORD + "!"), (name, ""), ("nobody", PASSWORD), (name, "x" * 300)):
            with pytest.raises(SignInRefused):
                await who.users.sign_in(given, password, NETWORK)
        assert (await who.users.find(name)).signed_in_at is not None

    with_accounts(place, scenario)


def test_names_and_addresses_are_given_once(place: Settings, number: Iterator[int]) -> None:
    name = f"bob{next(number)}"

    async def scenario(who: Accounts) -> None:
        await who.users.add(name, PASSWORD, email=f"{name}@example.com")
        for other, error in ((name, NameTaken), ("library", NameTaken), ("token", NameReserved), ("Bob", NamespaceInvalid)):
            with pytest.raises(error):
                await who.users.add(other, PASSWORD)
        with pytest.raises(EmailTaken):
            await who.users.add(f"{name}x", PASSWORD, email=f"{name}@EXAMPLE.com")
        with pytest.raises(AccountUnknown):
            await who.users.find(f"{name}x")
        with pytest.raises(PasswordKnown):
            await who.users.add(f"{name}yy", f"{name}yy-pass")

    with_accounts(place, scenario)


def test_the_name_of_a_user_who_was_deleted_is_given_to_nobody(place: Settings, number: Iterator[int]) -> None:
    name = f"cleo{next(number)}"

    async def scenario(who: Accounts) -> None:
        await who.users.add(name, PASSWORD)
        _, secret = await who.credentials.add_personal(name, "laptop", Terms())
        await who.users.delete(name)
        for given in (PASSWORD, secret):
            with pytest.raises(SignInRefused):
                await who.identity.basic(name, given, NETWORK)
        for add in (who.users.add(name, PASSWORD), who.organisations.add(name, "nobody")):
            with pytest.raises((NameTaken, AccountUnknown)):
                await add

    with_accounts(place, scenario)


def test_a_new_password_and_a_lock_take_effect_at_once_whatever_was_remembered(place: Settings, number: Iterator[int]) -> None:
    name = f"dan{next(number)}"

    async def scenario(who: Accounts) -> None:
        other = Accounts(who.users._db, place)  # another process
        await who.users.add(name, PASSWORD)
        await who.users.sign_in(name, PASSWORD, NETWORK)
        await other.users.set_password(name, "another fine password")
        with pytest.raises(SignInRefused):
            await who.users.sign_in(name, PASSWORD, NETWORK)
        await who.users.sign_in(name, "another fine password", NETWORK)
        await other.users.set_active(name, is_active=False)
        with pytest.raises(SignInRefused):
            await who.users.sign_in(name, "another fine password", NETWORK)
        await other.users.set_active(name, is_active=True)
        await who.users.sign_in(name, "another fine password", NETWORK)
        other.close()

    with_accounts(place, scenario)


def test_the_last_administrator_stays(place: Settings, number: Iterator[int]) -> None:
    one, other = f"eve{next(number)}", f"eve{next(number)}"

    async def scenario(who: Accounts) -> None:
        await who.users.add(one, PASSWORD, is_admin=True)
        for change in (
            who.users.delete(one),
            who.users.set_active(one, is_active=False),
            who.users.set_admin(one, is_admin=False),
        ):
            with pytest.raises(LastAdministrator):
                await change
        await who.users.add(other, PASSWORD, is_admin=True)
        await who.users.set_admin(one, is_admin=False)
        with pytest.raises(LastAdministrator):
            await who.users.delete(other)
        await who.users.set_admin(one, is_admin=True)
        await who.users.delete(other)
        await who.users.set_email(one, f"{one}@example.com")
        assert [(user.name, user.email, user.is_admin) for user in await who.users.page("evd", 1)] == [
            (one, f"{one}@example.com", True)
        ]

    with_accounts(place, scenario)


def test_after_ten_failures_no_more_are_tried_and_nobody_is_told_who_exists(
    place: Settings, number: Iterator[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"fay{next(number)}"

    async def scenario(who: Accounts) -> None:
        await who.users.add(name, PASSWORD)
        for tried in (name, f"{name}-is-nobody"):
            for _ in range(10):
                with pytest.raises(SignInRefused):
                    await who.users.sign_in(tried, "wrong password", "198.51.100.7")
            with pytest.raises(TooManySignIns) as refused:
                await who.users.sign_in(tried, PASSWORD, "198.51.100.7")
            assert 0 < refused.value.retry_after_s <= 900
        await who.users.sign_in(name, PASSWORD, "198.51.100.8")  # from elsewhere
        monkeypatch.setattr(throttle, "WINDOW_US", 1)  # a quarter of an hour later
        await who.users.sign_in(name, PASSWORD, "198.51.100.7")

    with_accounts(place, scenario)


def test_of_many_tries_at_once_a_right_one_is_let_in_no_later_than_the_tenth(place: Settings, number: Iterator[int]) -> None:
    name = f"fay{next(number)}"

    async def scenario(who: Accounts) -> None:
        await who.users.add(name, PASSWORD)
        wrong = [who.users.sign_in(name, f"wrong password {each}", "198.51.100.7") for each in range(20)]
        tried = await asyncio.gather(*wrong, who.users.sign_in(name, PASSWORD, "198.51.100.7"), return_exceptions=True)
        kinds = [type(each) for each in tried]
        assert kinds.count(SignInRefused) == 10
        assert kinds[-1] is TooManySignIns
        assert kinds.count(TooManySignIns) == 11

    with_accounts(place, scenario)


def test_of_very_many_failures_not_all_are_written_down(
    place: Settings, number: Iterator[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"gil{next(number)}"
    monkeypatch.setattr("entrepot.domain.accounts.service.users._MOST_RECORDED", 3)

    async def scenario(who: Accounts) -> None:
        await who.users.add(name, PASSWORD)
        for each in range(5):
            with pytest.raises(SignInRefused):
                await who.users.sign_in(name, "wrong password", f"198.51.100.{each}")
        rows = await sql(place, "SELECT count(*) FROM audit_event WHERE target = $1 AND outcome = 'refused'", name)
        assert rows[0][0] <= 3

    with_accounts(place, scenario)


def test_no_name_that_is_tried_counts_for_somebody_else(place: Settings, number: Iterator[int]) -> None:
    name = f"gus{next(number)}"

    async def scenario(who: Accounts) -> None:
        account = await who.users.add(name, PASSWORD)
        tried = (f"{name} from {NETWORK}", f'{name}","{NETWORK}', f"code of {account.id}", f"asking for {name}")
        for place_, each in enumerate(tried):
            for _ in range(10):
                with pytest.raises(SignInRefused):
                    await who.users.sign_in(each, "wrong password", f"198.51.100.{100 + place_}")
        await who.users.sign_in(name, PASSWORD, NETWORK)
        await who.people.factors._throttle.require(str(account.id), NETWORK)
        await who.people.recovery.ask_reset(name, NETWORK)

    with_accounts(place, scenario)


def test_an_organisation_keeps_an_owner_when_a_user_is_deleted(place: Settings, number: Iterator[int]) -> None:
    name, other = f"hal{next(number)}", f"ida{next(number)}"

    async def scenario(who: Accounts) -> None:
        for each in (name, other):
            await who.users.add(each, PASSWORD)
        await who.organisations.add(f"org-{name}", name)
        with pytest.raises(LastOwner, match=f"org-{name}"):
            await who.users.delete(name)
        await who.organisations.set_member(f"org-{name}", other, Place.OWNER)
        await who.users.delete(name)
        with pytest.raises(AccountUnknown):
            await who.users.find(name)

    with_accounts(place, scenario)


def test_a_network_that_tries_many_names_is_refused(
    place: Settings, number: Iterator[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(throttle, "_NETWORK", 4)
    name = f"gus{next(number)}"

    async def scenario(who: Accounts) -> None:
        await who.users.add(name, PASSWORD)
        for each in range(4):
            with pytest.raises(SignInRefused):
                await who.users.sign_in(f"{name}-{each}", "wrong password", "203.0.113.9")
        with pytest.raises(TooManySignIns):
            await who.users.sign_in(name, PASSWORD, "203.0.113.9")

    with_accounts(place, scenario)


def test_a_scope_says_what_a_token_of_a_user_allows(place: Settings, number: Iterator[int]) -> None:
    name = f"hal{next(number)}"

    async def scenario(who: Accounts) -> None:
        await who.users.add(name, PASSWORD, is_admin=True)
        _, secret = await who.credentials.add_personal(name, "ci", Terms(Scope.WRITE))
        actor = await who.identity.basic(name, secret, NETWORK)
        assert (actor.name, actor.is_admin) == (name, True)
        assert actor.terms == Terms(Scope.WRITE)

    with_accounts(place, scenario)
