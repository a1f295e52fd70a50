"""Tokens and robots: shown once, holding until they are revoked or expire, and only from where they may be used."""

import asyncio
from collections.abc import Iterator

import pytest

from entrepot.app.parts import Accounts
from entrepot.base.settings import Settings
from entrepot.domain.access.errors import TokenRefused
from entrepot.domain.accounts.errors import (
    AccountUnknown,
    CredentialUnknown,
    OrganisationUnknown,
    RobotExists,
    SignInRefused,
    TermsInvalid,
)
from entrepot.domain.accounts.model import Grant, Held, Kind, Place, Scope, Terms
from entrepot.domain.accounts.secrets import new_secret
from support.accounts import NETWORK, PASSWORD, with_accounts

READS: Terms = Terms(Scope.DELETE, grants=(Held("app", Grant.READ),))


def test_a_token_proves_who_somebody_is_until_it_is_revoked(place: Settings, number: Iterator[int]) -> None:
    name = f"ann{next(number)}"

    async def scenario(who: Accounts) -> None:
        await who.users.add(name, PASSWORD)
        made, secret = await who.credentials.add_personal(name, "laptop", Terms(), lifetime_s=3600)
        assert (made.kind, made.owner, made.name, made.created_by, made.used_at) == (Kind.PERSONAL, name, "laptop", name, None)
        assert made.expires_at is not None
        actor = await who.identity.basic("whatever", secret, NETWORK)
        assert (actor.name, actor.credential) == (name, made.id)
        (used,) = await who.credentials.of_account(await who.users.find(name))
        assert used.used_from == NETWORK
        assert await who.identity.still(actor) == actor
        await who.credentials.revoke(made.id)
        with pytest.raises(SignInRefused):
            await who.identity.basic(name, secret, NETWORK)
        with pytest.raises(TokenRefused):
            await who.identity.still(actor)
        with pytest.raises(CredentialUnknown):
            await who.credentials.revoke(made.id)

    with_accounts(place, scenario)


def test_a_token_expires(place: Settings, number: Iterator[int]) -> None:
    name = f"bob{next(number)}"

    async def scenario(who: Accounts) -> None:
        await who.users.add(name, PASSWORD)
        _, secret = await who.credentials.add_personal(name, "short", Terms(), lifetime_s=1)
        actor = await who.identity.basic(name, secret, NETWORK)
        await asyncio.sleep(1.1)
        with pytest.raises(SignInRefused):
            await who.identity.basic(name, secret, NETWORK)
        with pytest.raises(TokenRefused):
            await who.identity.still(actor)

    with_accounts(place, scenario)


def test_a_token_is_of_use_from_its_networks_alone(place: Settings, number: Iterator[int]) -> None:
    name = f"cy{next(number)}"

    async def scenario(who: Accounts) -> None:
        await who.users.add(name, PASSWORD)
        _, secret = await who.credentials.add_personal(name, "office", Terms(networks=("10.0.0.0/8", "2001:db8::/32")))
        for client in ("10.1.2.3", "::ffff:10.1.2.3", "2001:db8::7%eth0"):
            await who.identity.basic(name, secret, client)
        for client in ("11.1.2.3", "2001:db9::7", "?"):
            with pytest.raises(SignInRefused):
                await who.identity.basic(name, secret, client)

    with_accounts(place, scenario)


def test_a_lock_stops_tokens_too_and_a_new_password_does_not(place: Settings, number: Iterator[int]) -> None:
    name = f"di{next(number)}"

    async def scenario(who: Accounts) -> None:
        await who.users.add(name, PASSWORD)
        _, secret = await who.credentials.add_personal(name, "laptop", Terms())
        await who.users.set_password(name, "another fine password")
        await who.identity.basic(name, secret, NETWORK)
        await who.users.set_active(name, is_active=False)
        with pytest.raises(SignInRefused):
            await who.identity.basic(name, secret, NETWORK)

    with_accounts(place, scenario)


def test_robots_and_tokens_of_organisations_belong_to_nobody_in_particular(place: Settings, number: Iterator[int]) -> None:
    owner, team = f"ed{next(number)}", f"team{next(number)}"

    async def scenario(who: Accounts) -> None:
        await who.users.add(owner, PASSWORD)
        await who.organisations.add(team, owner)
        _, secret = await who.credentials.add_organisation(team, "ci", Terms(Scope.WRITE), created_by=owner)
        robot, robots = await who.credentials.add_robot(team, "bot", READS, created_by=owner)
        token = await who.identity.basic(team, secret, NETWORK)
        assert (token.name, token.account, token.owner) == (team, 0, team)
        assert (await who.identity.basic(f"{team}+bot", robots, NETWORK)).name == f"{team}+bot"
        with pytest.raises(SignInRefused):
            await who.identity.basic(f"{team}+other", secret, NETWORK)
        with pytest.raises(RobotExists):
            await who.credentials.add_robot(team, "bot", READS, created_by=owner)
        await who.credentials.revoke(robot.id)
        await who.credentials.add_robot(team, "bot", READS, created_by=owner)
        listed = await who.credentials.of_namespace(team, Kind.ROBOT)
        assert [(each.name, each.revoked_at is None) for each in listed] == [("bot", True), ("bot", False)]
        await who.users.add(f"{owner}-too", PASSWORD)
        await who.organisations.set_member(team, f"{owner}-too", Place.OWNER)
        await who.users.delete(owner)
        await who.identity.basic(team, secret, NETWORK)

    with_accounts(place, scenario)


def test_what_cannot_be_made_is_refused(place: Settings, number: Iterator[int]) -> None:
    name = f"flo{next(number)}"

    async def scenario(who: Accounts) -> None:
        await who.users.add(name, PASSWORD)
        users = who.credentials
        for attempt, error in (
            (users.add_personal("nobody", "x", Terms()), AccountUnknown),
            (users.add_personal(name, "", Terms()), TermsInvalid),
            (users.add_personal(name, "two\nlines", Terms()), TermsInvalid),
            (users.add_personal(name, "x", Terms(), lifetime_s=0), TermsInvalid),
            (users.add_organisation("nobody", "x", Terms(), created_by=name), OrganisationUnknown),
            (users.add_robot(name, "bot", Terms(), created_by=name), TermsInvalid),
            (users.find("none"), CredentialUnknown),
        ):
            with pytest.raises(error):
                await attempt
        with pytest.raises(SignInRefused):
            await who.identity.basic(name, new_secret(Kind.PERSONAL), NETWORK)

    with_accounts(place, scenario)
