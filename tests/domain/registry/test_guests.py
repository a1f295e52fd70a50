"""What somebody may and may not who was granted single repositories of a namespace."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Final

import msgspec
import pytest

from entrepot.app.parts import Accounts, Parts
from entrepot.base.settings import Settings
from entrepot.domain.access.errors import Unproven
from entrepot.domain.access.model import ANYONE, Actor
from entrepot.domain.accounts.model import Grant, Held
from entrepot.domain.registry.service import Rules, registry
from entrepot.spec.oci.names import RepositoryName
from support import manifests
from support.parts import parts, push_blob

name: Final = RepositoryName.parse


async def image(whole: Parts, repository: str) -> None:
    pushed = manifests.image(await push_blob(whole, repository, b"{}"))
    await whole.registry.manifests.push(ANYONE, name(repository), pushed, None, ["v1"])


def run(place: Settings, scenario: Callable[[Parts, Accounts], Awaitable[None]]) -> None:
    async def inside() -> None:
        async with parts(place) as whole:
            who = Accounts(whole.db, msgspec.structs.replace(place, access="accounts"))
            try:
                await scenario(whole, who)
            finally:
                who.close()

    asyncio.run(inside())


def test_who_was_granted_a_repository_does_not_take_its_name_out_of_the_namespace(place: Settings, number: Iterator[int]) -> None:
    team, guest = f"team{next(number)}", f"guest{next(number)}"

    async def scenario(whole: Parts, who: Accounts) -> None:
        account = await who.users.add(guest, "a fine long password")
        await image(whole, f"{team}/app")
        await who.organisations.grant_to_account(team, guest, Held("app*", Grant.ADMIN))
        actor = Actor(account.name, account.id, account.generation)
        there = registry(whole.db, whole.storage, who.rule, Rules(gc_grace_s=3600, sparse="none")).repositories
        with pytest.raises(Unproven):
            await there.rename(actor, name(f"{team}/app"), name(f"{guest}/app"))
        await there.set_archived(actor, name(f"{team}/app"), archived=True)

    run(place, scenario)


def test_who_may_only_push_makes_nothing_public_that_was_made_private(place: Settings, number: Iterator[int]) -> None:
    team, guest = f"team{next(number)}", f"guest{next(number)}"

    async def scenario(whole: Parts, who: Accounts) -> None:
        account = await who.users.add(guest, "a fine long password")
        await image(whole, f"{team}/one")
        await who.organisations.grant_to_account(team, guest, Held("app*", Grant.WRITE))
        await whole.registry.repositories.add(ANYONE, name(f"{team}/app"), public=False)
        actor = Actor(account.name, account.id, account.generation)
        there = registry(whole.db, whole.storage, who.rule, Rules(gc_grace_s=3600, sparse="none"))
        assert not (await there.listing.add(actor, name(f"{team}/app"), public=True)).public
        assert [each.name for each in (await there.listing.page(actor, team, "", 10))[0]] == [f"{team}/app", f"{team}/one"]
        assert [each.name for each in (await there.listing.page(ANYONE, team, "", 10))[0]] == [f"{team}/one"]

    run(place, scenario)
