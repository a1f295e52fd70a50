"""Organisations: members, owners, teams and what is granted."""

from collections.abc import Iterator

import pytest

from entrepot.app.parts import Accounts
from entrepot.base.settings import Settings
from entrepot.domain.accounts.errors import (
    AccountUnknown,
    LastOwner,
    MemberUnknown,
    NameTaken,
    OrganisationUnknown,
    TeamExists,
    TeamUnknown,
    TermsInvalid,
)
from entrepot.domain.accounts.model import Grant, Held, InNamespace, Place
from support.accounts import PASSWORD, with_accounts
from support.parts import sql

READ, WRITE = Held("app", Grant.READ), Held("backend/*", Grant.WRITE)


async def made(who: Accounts, number: Iterator[int]) -> tuple[str, str, str]:
    """Make an organisation with an owner, and another user."""
    team, owner, other = (f"{word}{next(number)}" for word in ("team", "owner", "other"))
    for name in (owner, other):
        await who.users.add(name, PASSWORD)
    await who.organisations.add(team, owner)
    return team, owner, other


def test_an_organisation_keeps_an_owner(place: Settings, number: Iterator[int]) -> None:
    async def scenario(who: Accounts) -> None:
        team, owner, other = await made(who, number)
        for change in (who.organisations.remove_member(team, owner), who.organisations.set_member(team, owner, Place.EDITOR)):
            with pytest.raises(LastOwner):
                await change
        await who.organisations.set_member(team, other, Place.OWNER)
        await who.organisations.set_member(team, owner, Place.EDITOR)
        listed = await who.organisations.members(team, "", 10)
        assert sorted((each.name, each.place) for each in listed) == sorted([(other, Place.OWNER), (owner, Place.EDITOR)])
        await who.organisations.remove_member(team, owner)
        with pytest.raises(MemberUnknown):
            await who.organisations.remove_member(team, owner)
        of_other = await who.organisations.of_account((await who.users.find(other)).id)
        assert [(each.name, each.place) for each in of_other] == [(team, Place.OWNER)]

    with_accounts(place, scenario)


def test_what_somebody_is_somewhere_is_what_they_and_their_teams_were_granted(place: Settings, number: Iterator[int]) -> None:
    async def scenario(who: Accounts) -> None:
        team, owner, other = await made(who, number)
        id_ = (await who.users.find(other)).id
        assert await who.organisations.standing(id_, team) == InNamespace("organisation")
        assert await who.organisations.standing(id_, other) == InNamespace("user", Place.OWNER)
        assert await who.organisations.standing(id_, f"{team}-none") == InNamespace("")
        await who.organisations.set_member(team, other, Place.MEMBER)
        await who.organisations.add_team(team, "devs", "those who build")
        await who.organisations.join_team(team, "devs", other)
        await who.organisations.grant_to_team(team, "devs", READ)
        await who.organisations.grant_to_account(owner, other, WRITE)
        assert await who.organisations.standing(id_, team) == InNamespace("organisation", Place.MEMBER, (READ,))
        assert await who.organisations.standing(id_, owner) == InNamespace("user", None, (WRITE,))
        assert await who.organisations.granted_to_accounts(owner) == [(other, WRITE)]
        await who.organisations.grant_to_team(team, "devs", Held("app", Grant.ADMIN))
        assert await who.organisations.team(team, "devs") == ([other], [Held("app", Grant.ADMIN)])
        await who.organisations.withdraw_from_team(team, "devs", "app")
        await who.organisations.withdraw_from_account(owner, other, WRITE.pattern)
        assert (await who.organisations.standing(id_, owner)).held == ()
        assert await who.organisations.team(team, "devs") == ([other], [])

    with_accounts(place, scenario)


def test_who_leaves_an_organisation_leaves_its_teams(place: Settings, number: Iterator[int]) -> None:
    async def scenario(who: Accounts) -> None:
        team, _, other = await made(who, number)
        await who.organisations.add_team(team, "devs")
        with pytest.raises(MemberUnknown):
            await who.organisations.join_team(team, "devs", other)
        await who.organisations.set_member(team, other, Place.MEMBER)
        await who.organisations.join_team(team, "devs", other)
        await who.organisations.grant_to_team(team, "devs", READ)
        await who.organisations.remove_member(team, other)
        assert await who.organisations.team(team, "devs") == ([], [READ])
        assert (await who.organisations.standing((await who.users.find(other)).id, team)).held == ()
        await who.organisations.delete_team(team, "devs")
        assert await who.organisations.teams(team) == []

    with_accounts(place, scenario)


def test_what_is_not_there_or_there_already_is_told(place: Settings, number: Iterator[int]) -> None:
    async def scenario(who: Accounts) -> None:
        team, owner, other = await made(who, number)
        there = who.organisations
        await there.add_team(team, "devs")
        for attempt, error in (
            (there.add(team, owner), NameTaken),
            (there.add("library", owner), NameTaken),
            (there.add(f"{team}-more", "nobody"), AccountUnknown),
            (there.members(owner, "", 1), OrganisationUnknown),
            (there.set_member(team, "nobody", Place.MEMBER), AccountUnknown),
            (there.add_team(team, "devs"), TeamExists),
            (there.team(team, "none"), TeamUnknown),
            (there.leave_team(team, "devs", other), MemberUnknown),
            (there.grant_to_team(team, "devs", Held("A B", Grant.READ)), TermsInvalid),
            (there.grant_to_account("nowhere", owner, READ), OrganisationUnknown),
        ):
            with pytest.raises(error):
                await attempt

    with_accounts(place, scenario)


def test_organisations_without_members_are_adopted_once(place: Settings, number: Iterator[int]) -> None:
    async def scenario(who: Accounts) -> None:
        team, owner, _ = await made(who, number)
        await sql(place, "INSERT INTO namespace (name, kind, created_at) VALUES ($1, 'organisation', 1)", f"{team}-of-nobody")
        await sql(place, "INSERT INTO namespace (name, kind, created_at) VALUES ('library', 'organisation', 1)")
        assert await who.organisations.adopt(owner) == 1
        assert await who.organisations.adopt(owner) == 0
        assert (await who.organisations.standing((await who.users.find(owner)).id, f"{team}-of-nobody")).place is Place.OWNER

    with_accounts(place, scenario)
