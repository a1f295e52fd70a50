"""Plans: what they refuse, in which words, and that not one too many is allowed when many ask at once."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Final

import msgspec
import pytest

from entrepot.app.parts import Accounts, Parts
from entrepot.base.settings import Settings
from entrepot.domain.access.model import ANYONE
from entrepot.domain.access.service.rule import OpenRule
from entrepot.domain.accounts.model import Place
from entrepot.domain.plans.errors import PlanInvalid, PlanRefused, PlanUnknown, SubscriberUnknown
from entrepot.domain.plans.model import Plan
from entrepot.domain.plans.service import Allowances
from entrepot.domain.registry.service import Registry, Rules, registry
from entrepot.platform.db.database import DatabaseUnavailable
from entrepot.spec.oci.names import RepositoryName
from support.parts import parts, push_blob

name: Final = RepositoryName.parse
SMALL: Final = Plan("small", 7, 0, 10, 50, 2, 0, ("builds",))


class Hub:
    """A registry where everybody may do everything that a plan allows."""

    def __init__(self, whole: Parts, who: Accounts) -> None:
        self.whole = whole
        self.who = who
        self.plans = who.plans
        self.rooms: Registry = registry(
            whole.db, whole.storage, OpenRule(), Rules(gc_grace_s=3600, sparse="none"), plans=self.plans
        )

    async def made(self, number: Iterator[int]) -> str:
        """Make an organisation with an owner, and return its name."""
        team = f"team{next(number)}"
        await self.who.users.add(f"owner-{team}", None)
        await self.who.organisations.add(team, f"owner-{team}")
        return team

    async def private(self, repository: str) -> None:
        await self.rooms.repositories.set_visibility(ANYONE, name(repository), public=False)


def run(place: Settings, scenario: Callable[[Hub], Awaitable[None]]) -> None:
    async def inside() -> None:
        async with parts(place) as whole:
            who = Accounts(whole.db, msgspec.structs.replace(place, access="accounts"))
            try:
                await scenario(Hub(whole, who))
            finally:
                who.close()

    asyncio.run(inside())


def test_the_free_plan_has_one_private_repository_and_says_what_would_allow_more(place: Settings, number: Iterator[int]) -> None:
    async def scenario(hub: Hub) -> None:
        team = await hub.made(number)
        there = hub.rooms.repositories
        for path in ("one", "two", "three"):
            await there.add(ANYONE, name(f"{team}/{path}"), public=True)
        await hub.private(f"{team}/one")
        await hub.private(f"{team}/one")  # it is private already
        refused = (
            f"{team} has 1 private repository, and its plan free allows no more: make one public, or ask .* the plan pro, which"
        )
        with pytest.raises(PlanRefused, match=refused):
            await hub.private(f"{team}/two")
        with pytest.raises(PlanRefused):
            await there.add(ANYONE, name(f"{team}/four"), public=False)
        await hub.who.organisations.set_visibility(team, public=False)
        with pytest.raises(PlanRefused):
            await hub.rooms.uploads.start(ANYONE, name(f"{team}/pushed"), "sha256")
        other = await hub.made(number)
        await there.add(ANYONE, name(f"{other}/its"), public=False)
        with pytest.raises(PlanRefused, match=f"{team} has"):
            await there.rename(ANYONE, name(f"{other}/its"), name(f"{team}/its"))
        await hub.plans.give(team, "pro")
        await hub.private(f"{team}/two")
        await hub.rooms.uploads.start(ANYONE, name(f"{team}/pushed"), "sha256")
        await hub.plans.give(team, "free")
        await there.delete(ANYONE, name(f"{team}/one"))
        await there.set_visibility(ANYONE, name(f"{team}/two"), public=True)
        await there.set_visibility(ANYONE, name(f"{team}/pushed"), public=True)
        await hub.private(f"{team}/two")  # what was deleted counts no more

    run(place, scenario)


def test_of_many_private_repositories_at_once_one_is_made(place: Settings, number: Iterator[int]) -> None:
    async def scenario(hub: Hub) -> None:
        for _ in range(3):
            team = await hub.made(number)
            await hub.who.organisations.set_visibility(team, public=False)
            pushes = [hub.rooms.uploads.start(ANYONE, name(f"{team}/app{each}"), "sha256") for each in range(8)]
            found = await asyncio.gather(*pushes, return_exceptions=True)
            assert sum(isinstance(each, PlanRefused) for each in found) == 7, found

    run(place, scenario)


def test_an_organisation_has_as_many_members_as_its_plan_has_seats(place: Settings, number: Iterator[int]) -> None:
    async def scenario(hub: Hub) -> None:
        team = await hub.made(number)
        await hub.plans.put(SMALL)
        await hub.plans.give(team, "small")
        others = [f"other{next(number)}" for _ in range(6)]
        for each in others:
            await hub.who.users.add(each, None)
        joining = [hub.who.organisations.set_member(team, each, Place.MEMBER) for each in others]
        found = await asyncio.gather(*joining, return_exceptions=True)
        assert sum(each is None for each in found) == 1, found
        refused = next(each for each in found if each is not None)
        assert isinstance(refused, PlanRefused)
        assert f"{team} has 2 members, and its plan small allows no more" in refused.message
        (joined,) = (each for each, how in zip(others, found, strict=True) if how is None)
        await hub.who.organisations.set_member(team, joined, Place.EDITOR)
        stranger = await hub.who.users.add(f"other{next(number)}", None)
        invitations = hub.who.people.invitations
        _, address = await invitations.invite_member(team, stranger.name, Place.MEMBER, "ann", by_administrator=True)
        with pytest.raises(PlanRefused):
            await invitations.join(address.rpartition("/")[2], stranger)
        await hub.who.organisations.remove_member(team, joined)
        await invitations.join(address.rpartition("/")[2], stranger)

    run(place, scenario)


def test_an_account_pulls_as_much_as_the_best_of_its_plans_allows(place: Settings, number: Iterator[int]) -> None:
    async def scenario(hub: Hub) -> None:
        team = await hub.made(number)
        owner = (await hub.who.users.find(f"owner-{team}")).id

        async def allowed(account: int = 0, namespace: str = "") -> int | None:
            return await Allowances(hub.whole.db, "free", 200).pulls(account, namespace)

        assert (await allowed(owner), await allowed(namespace=team)) == (200, 200)
        await hub.plans.put(SMALL)
        await hub.plans.give(f"owner-{team}", "small")
        assert (await allowed(owner), await allowed(namespace=team)) == (200, 200)
        await hub.plans.give(team, "small")
        assert (await allowed(owner), await allowed(namespace=team)) == (50, 50)
        await hub.plans.give(team, "team")
        assert (await allowed(owner), await allowed(namespace=team)) == (None, None)

    run(place, scenario)


def test_what_an_account_may_is_remembered_and_holds_while_the_database_is_away(place: Settings, number: Iterator[int]) -> None:
    async def scenario(hub: Hub) -> None:
        team = await hub.made(number)
        known = Allowances(hub.whole.db, "free", 7)
        assert await known.pulls(0, team) == 200
        await hub.plans.give(team, "team")
        assert await known.pulls(0, team) == 200
        away = Allowances(Away(), "free", 7)  # type: ignore[arg-type]  # as much of it as is asked
        assert await away.pulls(0, team) == 7

    run(place, scenario)


class Away:
    """A database that does not answer."""

    async def recall(self, *_: object) -> None:
        raise DatabaseUnavailable


def test_plans_are_data(place: Settings, number: Iterator[int]) -> None:
    async def scenario(hub: Hub) -> None:
        team = await hub.made(number)
        assert [plan.name for plan in await hub.plans.all()][:4] == ["free", "pro", "team", "business"]
        await hub.plans.put(SMALL)
        assert await hub.plans.find("small") == SMALL
        await hub.plans.give(team, "small")
        assert await hub.plans.of(team) == SMALL
        for wrong in ("small", "free"):
            with pytest.raises(PlanInvalid):
                await hub.plans.delete(wrong)
        await hub.plans.give(team, "pro")
        with pytest.raises(PlanInvalid):
            await hub.plans.put(msgspec.structs.replace(SMALL, seats=-1))
        for refused in (hub.plans.find("none"), hub.plans.give(team, "none"), hub.plans.delete("none")):
            with pytest.raises(PlanUnknown):
                await refused
        with pytest.raises(SubscriberUnknown):
            await hub.plans.give("nobody-at-all", "pro")

    run(place, scenario)


def test_what_is_used_is_told(place: Settings, number: Iterator[int]) -> None:
    async def scenario(hub: Hub) -> None:
        team = await hub.made(number)
        for path in ("one", "two"):
            await push_blob(hub.whole, f"{team}/{path}", f"of {team}".encode())
        await hub.private(f"{team}/one")
        plan, seats = await hub.plans.of(team), await hub.plans.seats(team)
        usage = await hub.rooms.repositories.usage(team, plan, seats)
        assert (usage.private_repositories, usage.public_repositories, usage.seats) == (1, 1, 1)
        assert usage.storage_bytes == len(f"of {team}"), "what is in two repositories is there once"

    run(place, scenario)
