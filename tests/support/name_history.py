"""A scenario that runs every statement about names and repositories once."""

from typing import Final

import msgspec
import pytest

from entrepot.app.parts import Accounts, Parts
from entrepot.domain.access.errors import Renamed
from entrepot.domain.access.model import ANYONE
from entrepot.domain.plans.errors import PlanRefused
from entrepot.domain.plans.service import Allowances, Plans
from entrepot.domain.registry.service import Registry
from entrepot.spec.oci.names import RepositoryName
from support import manifests
from support.parts import push_blob

name = RepositoryName.parse
DOOMED: Final = RepositoryName.parse("team/doomed")


async def name_history(rooms: Registry, who: Accounts) -> None:
    """Rename, transfer, describe, archive and delete repositories, rename an organisation back and forth, and release names."""
    there = rooms.repositories
    await who.users.add("gone", None)
    for organisation in ("past", "other", "ended"):  # now, while both databases number them alike
        await who.organisations.add(organisation, "cleo")
    for made in ("past/one", "past/two", "other/three"):
        await there.add(ANYONE, name(made), public=True, description="é")
    await there.rename(ANYONE, name("past/one"), name("past/uno"))
    await there.rename(ANYONE, name("past/two"), name("other/two"))
    for old, new in (("past", "present"), ("present", "past"), ("past", "present")):
        await rooms.names.rename(old, new, "organisation")
    for asked, stored in (
        ("present/one", "present/uno"),
        ("past/uno", "present/uno"),
        ("past/two", "other/two"),
        ("past/x", "present/x"),
    ):
        with pytest.raises(Renamed) as renamed:
            await there.find(ANYONE, name(asked))
        assert renamed.value.name.stored == stored
    await there.describe(ANYONE, name("present/uno"), description="A", readme="# A")
    for archived in (True, False, True):
        await there.set_archived(ANYONE, name("present/uno"), archived=archived)
    assert (await there.find(ANYONE, name("present/uno"))).readme == "# A"
    assert "past" in {each.name for each in await rooms.names.held("", 10)}
    assert await rooms.names.held_by(await rooms.names.leads_to("past"))
    assert len(await rooms.names.held_in("present", "", 10)) == 2
    await rooms.names.release("present/one")
    await rooms.names.release("past")
    await who.organisations.set_visibility("present", public=False)
    await who.users.delete("gone")
    await rooms.names.delete_organisation("ended")
    assert {"ended", "gone"} <= {each.name for each in await rooms.names.held("", 10)}
    for released in ("ended", "gone"):
        await rooms.names.release(released)


async def plan_history(rooms: Registry, plans: Plans, account: int) -> None:
    """Make, change, give and delete plans, and tell what is used."""
    small = msgspec.structs.replace(await plans.find("free"), name="small", rank=9, seats=1)
    for rank in (9, 8):
        await plans.put(msgspec.structs.replace(small, rank=rank))
    await plans.give("other", "small")
    assert (await plans.of("other")).rank == 8
    await rooms.repositories.add(ANYONE, name("other/secret"), public=False)
    with pytest.raises(PlanRefused, match="the hub's administrator for more"):
        await rooms.repositories.set_visibility(ANYONE, name("other/two"), public=False)
    await rooms.repositories.usage("other", small, await plans.seats("other"))
    await Allowances(plans._db, "free", None).pulls(account, "other")
    await plans.give("other", "pro")
    await plans.delete("small")
    assert [plan.name for plan in await plans.all()] == ["free", "pro", "team", "business"]


async def doomed(whole: Parts) -> None:
    """Push something of each kind into a repository that is to be deleted."""
    config = await push_blob(whole, DOOMED.stored, b"{}")
    await whole.registry.manifests.push(ANYONE, DOOMED, manifests.image(config), None, ["a"])


async def deletion(rooms: Registry) -> None:
    """Delete that repository, and all that is in it."""
    await rooms.repositories.delete(ANYONE, DOOMED)
    (buried,) = await rooms.collector.buried(0)
    while await rooms.collector.empty(buried):
        pass
    assert await rooms.collector.buried(0) == []
