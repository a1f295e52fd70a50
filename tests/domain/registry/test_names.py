"""Names: what they lead to after a rename, that nobody else is given them, and what meets in the same moment."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Final

import msgspec
import pytest

from entrepot.app.parts import Accounts, Parts
from entrepot.base.errors import EntrepotError
from entrepot.base.settings import Settings
from entrepot.domain.access.errors import PolicyRefused, Renamed
from entrepot.domain.access.model import ANYONE, Actor
from entrepot.domain.accounts.errors import NameTaken
from entrepot.domain.accounts.model import Grant, Held, Terms
from entrepot.domain.registry.errors import (
    ManifestUnknown,
    NameNotHeld,
    NamespaceNotEmpty,
    NamespaceTaken,
    NamespaceUnknown,
    NamingRefused,
    RepositoryExists,
    RepositoryUnknown,
    TextTooLong,
)
from entrepot.domain.registry.service import Rules, registry
from entrepot.spec.oci.digest import Digest
from entrepot.spec.oci.names import RepositoryName
from support import manifests
from support.parts import parts, push_blob, sql
from support.recorder import Recorder

name: Final = RepositoryName.parse


@asynccontextmanager
async def hub(place: Settings) -> Any:
    """Open what is asked by somebody with a name, and by the command line."""
    async with parts(place) as whole:
        who = Accounts(whole.db, msgspec.structs.replace(place, access="accounts"))
        try:
            yield whole, who
        finally:
            who.close()


async def image(whole: Parts, repository: str, tag: str = "v1") -> str:
    """Push an image, and return its digest."""
    pushed = manifests.image(await push_blob(whole, repository, b"{}"))
    await whole.registry.manifests.push(ANYONE, name(repository), pushed, None, [tag])
    return str(pushed.digest)


async def pulled(whole: Parts, repository: str) -> str:
    """Pull as the router does, following former names; return what the repository is called."""
    asked = name(repository)
    try:
        await whole.registry.manifests.find(ANYONE, asked, "v1")
    except Renamed as renamed:
        asked = renamed.name
    await whole.registry.manifests.find(ANYONE, asked, "v1")
    assert asked.asked == repository
    return asked.stored


def run(place: Settings, scenario: Callable[[Parts, Accounts], Awaitable[None]]) -> None:
    async def inside() -> None:
        async with hub(place) as (whole, who):
            await scenario(whole, who)

    asyncio.run(inside())


def test_former_names_lead_to_what_has_another_one_now(place: Settings, number: Iterator[int]) -> None:
    team, crew, gang = (f"{word}{next(number)}" for word in ("team", "crew", "gang"))

    async def scenario(whole: Parts, _who: Accounts) -> None:
        await image(whole, f"{team}/app")
        await image(whole, f"{gang}/kept")
        rooms = whole.registry
        await rooms.repositories.rename(ANYONE, name(f"{team}/app"), name(f"{team}/web"))
        assert await pulled(whole, f"{team}/app") == f"{team}/web"
        assert await rooms.names.rename(team, crew, "organisation") == 1
        for former in (f"{team}/app", f"{team}/web", f"{crew}/app", f"{crew}/web"):
            assert await pulled(whole, former) == f"{crew}/web"
        await rooms.repositories.rename(ANYONE, name(f"{crew}/web"), name(f"{gang}/site/web"))
        for former in (f"{team}/app", f"{team}/web", f"{crew}/app", f"{crew}/web"):
            assert await pulled(whole, former) == f"{gang}/site/web"
        assert [(each.name, each.leads_to) for each in await rooms.names.held_in(crew, "", 10)] == [
            (f"{crew}/{path}", f"{gang}/site/web") for path in ("app", "web")
        ]
        assert (team, crew) in [(each.name, each.leads_to) for each in await rooms.names.held("", 100)]
        with pytest.raises(ManifestUnknown):
            await rooms.manifests.find(ANYONE, name(f"{gang}/site/web"), "none")

    run(place, scenario)


def test_a_push_to_a_former_name_goes_to_the_new_one(place: Settings, number: Iterator[int]) -> None:
    team, crew = (f"{word}{next(number)}" for word in ("team", "crew"))

    async def scenario(whole: Parts, _who: Accounts) -> None:
        await image(whole, f"{team}/app")
        await whole.registry.names.rename(team, crew, "organisation")
        for path in ("app", "new"):
            with pytest.raises(Renamed) as renamed:
                await whole.registry.uploads.start(ANYONE, name(f"{team}/{path}"), "sha256")
            assert renamed.value.name == RepositoryName(f"{team}/{path}", f"{crew}/{path}")

    run(place, scenario)


def test_a_former_name_ends_when_its_owner_makes_something_of_that_name(place: Settings, number: Iterator[int]) -> None:
    team = f"team{next(number)}"

    async def scenario(whole: Parts, _who: Accounts) -> None:
        there = whole.registry.repositories
        for path in ("app", "other"):
            await image(whole, f"{team}/{path}")
        await there.rename(ANYONE, name(f"{team}/app"), name(f"{team}/web"))
        with pytest.raises(RepositoryExists):
            await there.rename(ANYONE, name(f"{team}/other"), name(f"{team}/web"))
        await there.add(ANYONE, name(f"{team}/app"), public=False, description="new")
        assert not await there.is_public(ANYONE, name(f"{team}/app"))
        assert await pulled(whole, f"{team}/web") == f"{team}/web"
        await there.rename(ANYONE, name(f"{team}/web"), name(f"{team}/site"))
        await there.rename(ANYONE, name(f"{team}/other"), name(f"{team}/web"))
        assert await pulled(whole, f"{team}/web") == f"{team}/web"
        await there.rename(ANYONE, name(f"{team}/web"), name(f"{team}/other"))
        assert await pulled(whole, f"{team}/web") == f"{team}/other", "a name may go back to who had it"

    run(place, scenario)


async def signing_up(_whole: Parts, who: Accounts, lost: str) -> None:
    await who.users.add(lost, None)


async def an_organisation(_whole: Parts, who: Accounts, lost: str) -> None:
    await who.organisations.add(lost, f"owner-{lost}")


async def a_rename(whole: Parts, _who: Accounts, lost: str) -> None:
    await whole.registry.names.rename(f"other-{lost}", lost, "organisation")


async def a_transfer(whole: Parts, _who: Accounts, lost: str) -> None:
    await whole.registry.repositories.rename(ANYONE, name(f"other-{lost}/app"), name(f"{lost}/stolen"))


async def a_push(whole: Parts, who: Accounts, lost: str) -> None:
    account = await who.users.find(f"owner-{lost}")
    await whole.registry.uploads.start(Actor(account.name, account.id, is_admin=True), name(f"{lost}/app"), "sha256")


WAYS: Final = {
    signing_up: (NameTaken, NameTaken),
    an_organisation: (NameTaken, NameTaken),
    a_rename: (NamespaceTaken, NamespaceTaken),
    a_transfer: (NamespaceUnknown, NamespaceUnknown),
    a_push: (Renamed, PolicyRefused),
}


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_a_name_that_was_given_up_is_given_to_nobody_else_until_it_is_released(
    place: Settings, number: Iterator[int], way: Callable[[Parts, Accounts, str], Awaitable[None]]
) -> None:
    renamed, deleted = (f"lost{next(number)}" for _ in range(2))

    async def scenario(whole: Parts, who: Accounts) -> None:
        for lost in (renamed, deleted):
            await who.users.add(f"owner-{lost}", None)
            await image(whole, f"other-{lost}/app")
        await image(whole, f"{renamed}/app")
        await whole.registry.names.rename(renamed, f"now-{renamed}", "organisation")
        await who.users.add(deleted, None)
        await who.users.delete(deleted)
        for lost, refusal in zip((renamed, deleted), WAYS[way], strict=True):  # type: ignore[index]  # it is one of them
            with pytest.raises(refusal):
                await way(whole, who, lost)
            await whole.registry.names.release(lost)
            if way is not a_transfer:  # nobody is called so
                await way(whole, who, lost)

    run(place, scenario)


def test_an_organisation_is_deleted_when_it_is_empty_and_leaves_its_name(place: Settings, number: Iterator[int]) -> None:
    team, owner = (f"{word}{next(number)}" for word in ("team", "owner"))

    async def scenario(whole: Parts, who: Accounts) -> None:
        names, there = whole.registry.names, who.organisations
        await who.users.add(owner, None)
        await there.add(team, owner)
        await there.add_team(team, "devs")
        await there.join_team(team, "devs", owner)
        await there.grant_to_team(team, "devs", Held("*", Grant.READ))
        await who.credentials.add_organisation(team, "ci", Terms(), created_by=owner)
        await image(whole, f"{team}/app")
        with pytest.raises(NamespaceNotEmpty):
            await names.delete_organisation(team)
        await whole.registry.repositories.delete(ANYONE, name(f"{team}/app"))
        await names.delete_organisation(team)
        assert await there.of_account((await who.users.find(owner)).id) == []
        with pytest.raises(PolicyRefused, match="is held"):
            await image(whole, f"{team}/app")
        for refused in (there.add(team, owner), names.rename(f"{team}", "x", "organisation"), names.delete_organisation(team)):
            with pytest.raises((NameTaken, NamespaceUnknown)):
                await refused
        await names.release(team)
        await there.add(team, owner)

    run(place, scenario)


def test_only_what_is_held_is_released(place: Settings, number: Iterator[int]) -> None:
    team, left = (f"{word}{next(number)}" for word in ("team", "left"))

    async def scenario(whole: Parts, who: Accounts) -> None:
        held = whole.registry.names
        await image(whole, f"{team}/app")
        await who.users.add(left, None)
        await image(whole, f"{left}/app")
        await who.users.delete(left)
        for each, reason in ((team, "in use"), (left, "repositories in it"), ("nobody", "anybody"), (f"{team}/app", "name of a")):
            with pytest.raises(NameNotHeld, match=reason):
                await held.release(each)
        await whole.registry.repositories.rename(ANYONE, name(f"{team}/app"), name(f"{team}/web"))
        await held.release(f"{team}/app")
        with pytest.raises(RepositoryUnknown):
            await pulled(whole, f"{team}/app")
        for unknown in (held.rename("nobody", "x", "user"), held.rename(team, "x", "user"), held.rename(left, "x", "user")):
            with pytest.raises(NamespaceUnknown):
                await unknown

    run(place, scenario)


def test_what_an_archived_repository_refuses_it_says(place: Settings, number: Iterator[int]) -> None:
    app = f"team{next(number)}/app"

    async def scenario(whole: Parts, _who: Accounts) -> None:
        await image(whole, app)
        await whole.registry.repositories.set_archived(ANYONE, name(app), archived=True)
        for change in (
            whole.registry.uploads.start(ANYONE, name(app), "sha256"),
            whole.registry.tags.delete(ANYONE, name(app), "v1"),
        ):
            with pytest.raises(PolicyRefused, match="is archived"):
                await change
        assert await pulled(whole, app) == app
        await whole.registry.repositories.set_archived(ANYONE, name(app), archived=False)
        await image(whole, app, "v2")

    run(place, scenario)


def test_a_repository_says_what_it_is(place: Settings, number: Iterator[int]) -> None:
    app = f"team{next(number)}/app"

    async def scenario(whole: Parts, who: Accounts) -> None:
        there = whole.registry.repositories
        await image(whole, app)
        await there.describe(ANYONE, name(app), description="é", readme="# App")
        await there.describe(ANYONE, name(app), description="An app")
        about = await there.find(ANYONE, name(app))
        assert (about.description, about.readme, about.public) == ("An app", "# App", True)
        with pytest.raises(TextTooLong):
            await there.describe(ANYONE, name(app), description="x" * 101)
        await who.organisations.set_visibility(name(app).namespace, public=False)
        await image(whole, f"{app}-2")
        assert not await there.is_public(ANYONE, name(f"{app}-2"))

    run(place, scenario)


def test_a_deleted_repository_is_found_by_nobody_and_all_of_it_goes(place: Settings, number: Iterator[int]) -> None:
    team = f"team{next(number)}"

    async def scenario(whole: Parts, _who: Accounts) -> None:
        for path in ("app", "kept"):
            await image(whole, f"{team}/{path}")
        there = whole.registry.repositories
        await there.rename(ANYONE, name(f"{team}/app"), name(f"{team}/web"))
        begun = await whole.registry.uploads.start(ANYONE, name(f"{team}/web"), "sha256")
        await there.delete(ANYONE, name(f"{team}/web"))
        for gone in (f"{team}/app", f"{team}/web"):
            with pytest.raises(RepositoryUnknown):
                await pulled(whole, gone)
        *others, buried = await whole.registry.collector.buried(0)
        while await whole.registry.collector.empty(buried):
            pass
        assert await whole.registry.collector.buried(0) == [*others, buried], "an upload must end first"
        assert await whole.registry.collector.expire_uploads() == 1
        assert await whole.registry.collector.empty(buried) == 0
        assert await whole.registry.collector.buried(0) == others
        assert await sql(place, "SELECT count(*) FROM upload WHERE id = $1", begun.id) == [(0,)]
        assert await pulled(whole, f"{team}/kept") == f"{team}/kept"
        assert f"{team}/web" not in (await whole.registry.tags.catalogue(ANYONE, team, 1000)).names

    run(place, scenario)


def test_a_pull_of_what_is_there_costs_one_statement(place: Settings, number: Iterator[int]) -> None:
    app = f"team{next(number)}/app"

    async def scenario(whole: Parts, who: Accounts) -> None:
        digest = await image(whole, app)
        recorder = Recorder(whole.db)
        rooms = registry(recorder, whole.storage, who.rule, Rules(gc_grace_s=3600, sparse="none"))
        for reference in ("v1", Digest.parse(digest)):
            before = len(recorder.seen)
            await rooms.manifests.find(ANYONE, name(app), reference)
            assert len(recorder.seen) == before + 1

    run(place, scenario)


async def together(*works: Awaitable[Any]) -> list[Any]:
    """Do all at once, and return what each returned or was refused with."""
    found = await asyncio.gather(*works, return_exceptions=True)
    for each in found:
        if isinstance(each, BaseException) and not isinstance(each, EntrepotError):
            raise each
    return found


def test_of_those_who_want_a_name_in_the_same_moment_one_gets_it(place: Settings, number: Iterator[int]) -> None:
    async def scenario(whole: Parts, who: Accounts) -> None:
        for _ in range(6):
            at = next(number)
            for word in ("one", "two"):
                await image(whole, f"{word}{at}/app")
                await who.users.add(f"{word}-owner{at}", None)
            wanted = f"wanted{at}"
            rename = whole.registry.names.rename
            found = await together(
                rename(f"one{at}", wanted, "organisation"),
                rename(f"two{at}", wanted, "organisation"),
                who.organisations.add(wanted, f"one-owner{at}"),
                rename(f"one{at}", f"elsewhere{at}", "organisation"),
            )
            assert sum(not isinstance(each, EntrepotError) for each in found[:3]) == 1, found
            rows = await sql(place, "SELECT count(*) FROM namespace WHERE name = $1 OR kind = 'claimed'", wanted)
            assert rows == [(1,)]
            assert await sql(place, _ASTRAY) == []

    run(place, scenario)


def test_a_name_is_held_from_the_moment_in_which_it_is_given_up(place: Settings, number: Iterator[int]) -> None:
    async def scenario(whole: Parts, who: Accounts) -> None:
        for _ in range(6):
            at = next(number)
            await image(whole, f"old{at}/app")
            await who.users.add(f"thief{at}", None)
            push = partial(whole.registry.uploads.start, ANYONE, algorithm="sha256")
            found = await together(
                whole.registry.names.rename(f"old{at}", f"new{at}", "organisation"),
                who.organisations.add(f"old{at}", f"thief{at}"),
                push(name(f"old{at}/made")),
                who.users.add(f"old{at}", None),
                whole.registry.repositories.rename(ANYONE, name(f"old{at}/app"), name(f"old{at}/web")),
            )
            assert not isinstance(found[0], EntrepotError)
            assert isinstance(found[1], NameTaken)
            assert isinstance(found[3], NameTaken)
            assert not isinstance(found[4], NamingRefused) or isinstance(found[4], NamespaceUnknown)
            assert await sql(place, "SELECT count(*) FROM namespace WHERE name = $1", f"old{at}") == [(0,)]
            assert await sql(place, _ASTRAY) == []

    run(place, scenario)


# Repositories that are not called as their namespace is.
_ASTRAY: Final = (
    "SELECT repository.name, namespace.name FROM repository JOIN namespace ON namespace.id = repository.namespace "
    "WHERE repository.name NOT LIKE '~%' AND substr(repository.name, 1, length(namespace.name) + 1) <> namespace.name || '/'"
)
