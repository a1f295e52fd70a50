"""Who finds what: what is private is found by those who may see it, and nothing tells others that it is there."""

import asyncio
import base64
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import msgspec
import pytest

from conftest import new_database
from entrepot.app.parts import Parts, key_file
from entrepot.app.search import searching
from entrepot.base.settings import Settings
from entrepot.domain.access.errors import TokenRefused, Unproven
from entrepot.domain.access.model import ANYONE, Actor
from entrepot.domain.access.service.identity import actor_of
from entrepot.domain.accounts.model import Place
from entrepot.domain.search.model import Order
from entrepot.platform.secrets.keys import ensure_key
from entrepot.spec.oci.names import RepositoryName
from support.accounts import NETWORK, PASSWORD
from support.everybody import WHO, people
from support.finding import Finder, finder, push
from support.parts import parts, prepared

pytestmark = pytest.mark.single
OPEN: Final = {"open/orca"}
APP: Final = OPEN | {"team/app-orca"}
ALL: Final = APP | {"team/web-orca"}
# What of these each finds; whoever is not here finds what their rights of `team/app-*` let them.
FINDS: Final = {
    "editor": ALL,
    "owner": ALL,
    "admin": ALL | {"stranger/own-orca"},
    "owner, token read": ALL,
    "owner, token write": ALL,
    "owner, token delete": ALL,
    "team, token write": ALL,
    "stranger": OPEN | {"stranger/own-orca"},
}


class Hub(msgspec.Struct, frozen=True):
    """Somebody of each kind, and what there is to be found."""

    place: Settings
    actors: dict[str, Actor]
    hidden: str  # the digest of a manifest of team/app-zyzzogeton

    def run(self, scenario: Callable[[Finder], Awaitable[None]], **settings: str) -> None:
        """Run a scenario with the rules of accounts."""
        place = msgspec.structs.replace(self.place, access="accounts", **settings)

        async def inside() -> None:
            async with parts(place) as whole:
                with finder(place, whole) as found:
                    await scenario(found)

        asyncio.run(inside())


@pytest.fixture(scope="module")
def hub(profile: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Hub:
    place = prepared(tmp_path_factory.mktemp("sights") / "data", new_database(profile, request))
    ensure_key(key_file(place))
    return asyncio.run(_made(place))


async def _made(place: Settings) -> Hub:
    async with parts(msgspec.structs.replace(place, access="accounts")) as whole:
        await whole.accounts.users.add("admin", PASSWORD, is_admin=True)
        headers = await people(whole.accounts)
        actors = {who: await _actor(whole, header) for who, header in headers.items()}
    async with parts(place) as whole:
        hidden = ""
        for each in (*sorted(FINDS["admin"]), "team/app-zyzzogeton", "open/narwhal", "team/app-narwal"):
            pushed = await push(whole, each, content=f'{{"name":"{each}"}}'.encode())
            hidden = str(pushed.digest) if "zyz" in each else hidden
            name = RepositoryName.parse(each)
            await whole.registry.repositories.describe(ANYONE, name, description="a mammal")
            await whole.registry.repositories.set_visibility(ANYONE, name, public=each.startswith("open"))
        with finder(place, whole) as found:
            await found.follow()
    return Hub(place, actors, hidden)


async def _actor(whole: Parts, header: str | None) -> Actor:
    if header is None:
        return ANYONE
    name, _, secret = base64.b64decode(header.partition(" ")[2]).decode().partition(":")
    if secret == PASSWORD:
        return actor_of(await whole.accounts.users.find(name))
    return await whole.accounts.identity.basic(name, secret, NETWORK)


def test_everybody_finds_what_they_may_see_and_no_count_tells_of_more(hub: Hub) -> None:
    async def scenario(on: Finder) -> None:
        for who, rights in WHO.items():
            expected = FINDS.get(who, APP if "r" in rights else OPEN)
            for typed in ("orca", "orca mammal", "orac"):
                found = await on.find(typed, hub.actors[who])
                assert found.is_complete
                assert ({each.listed.name for each in found.hits}, found.count) == (expected, len(expected)), (who, typed)
            assert (await on.find("orca", hub.actors[who], most=1, order=Order.PULLS)).count == len(expected), who

    hub.run(scenario)


def test_a_token_of_the_registrys_own_finds_what_is_public(hub: Hub) -> None:
    async def scenario(on: Finder) -> None:
        for granted in ({}, {"team/app-orca": frozenset({"pull"})}):
            actor = msgspec.structs.replace(hub.actors["owner"], granted=granted)
            assert set(await on.names("orca", actor)) == OPEN

    hub.run(scenario)


def test_nothing_tells_strangers_of_words_that_only_hidden_ones_have(hub: Hub) -> None:
    async def scenario(on: Finder) -> None:
        for who in ("nobody", "stranger", "member"):
            for typed in ("zyzzogeton", "zyzzogetom", "app-zyzzogeton", "zyzzogeton:v1"):
                found = await on.find(typed, hub.actors[who])
                assert (found.hits, found.count, found.instead, found.any_word) == ([], 0, (), False), typed
            # A word that hidden ones alone have is a slip to whoever does not see them.
            slip = await on.find("narwal", hub.actors[who])
            assert ([each.listed.name for each in slip.hits], slip.instead) == (["open/narwhal"], ("narwhal",))
        seen = await on.find("zyzzogetom", hub.actors["reader"])
        assert ([each.listed.name for each in seen.hits], seen.instead) == (["team/app-zyzzogeton"], ("zyzzogeton",))
        assert [each.listed.name for each in (await on.find("narwal", hub.actors["owner"])).hits] == ["team/app-narwal"]

    hub.run(scenario)


def test_a_digest_finds_what_one_may_see(hub: Hub) -> None:
    async def scenario(on: Finder) -> None:
        counts = {who: (await on.find(hub.hidden, hub.actors[who])).count for who in ("nobody", "stranger", "reader", "admin")}
        assert counts == {"nobody": 0, "stranger": 0, "reader": 1, "admin": 1}

    hub.run(scenario)


def test_suggestions_are_public_for_everybody(hub: Hub) -> None:
    async def scenario(on: Finder) -> None:
        finds = searching(on.place, on.whole)
        assert [each.listed.name for each in await finds.suggest("orc")] == ["open/orca"]
        assert await finds.suggest("zyzz") == []

    hub.run(scenario)


def test_a_closed_hub_tells_nobody_anything(hub: Hub) -> None:
    async def scenario(on: Finder) -> None:
        finds = searching(on.place, on.whole)
        for typed in ("orca", "", hub.hidden, "zyzzogeton"):
            with pytest.raises(Unproven):
                await finds.find(ANYONE, typed)
        assert await finds.suggest("orc") == []
        assert set(await on.names("orca", hub.actors["stranger"])) == FINDS["stranger"]
        assert set(await on.names("orca", hub.actors["reader"])) == APP

    hub.run(scenario, anonymous="none")


def test_without_an_index_the_same_is_hidden(hub: Hub, tmp_path: Path) -> None:
    async def scenario(on: Finder) -> None:
        finds = searching(msgspec.structs.replace(on.place, data=str(tmp_path)), on.whole)
        for who, count in (("nobody", 0), ("stranger", 0), ("reader", 3), ("owner", 4)):
            found = await finds.find(hub.actors[who], "team/")
            assert (found.count, found.is_complete) == (count, False), who
        assert (await finds.find(hub.actors["owner"], "team/app-o")).count == 1

    hub.run(scenario)


def test_who_is_let_in_or_put_out_finds_it_or_not(hub: Hub) -> None:
    async def scenario(on: Finder) -> None:
        there, who = on.whole.accounts.organisations, hub.actors["member"]
        finds = searching(on.place, on.whole)
        assert (await finds.find(who, "orca")).count == 1
        await there.set_member("team", "member", Place.EDITOR)
        assert (await searching(on.place, on.whole).find(who, "orca")).count == 3
        finds = searching(on.place, on.whole)
        await finds.find(who, "orca")
        await there.set_member("team", "member", Place.MEMBER)
        # What they may find is remembered for ten seconds; what is found is asked for each time.
        found = await finds.find(who, "orca")
        assert ([each.listed.name for each in found.hits], found.count) == (["open/orca"], 1)

    hub.run(scenario)


def test_whoever_was_locked_out_finds_nothing(hub: Hub) -> None:
    async def scenario(on: Finder) -> None:
        finds = searching(on.place, on.whole)
        actor = hub.actors["collaborator"]
        assert (await finds.find(actor, "orca")).count == 2
        await on.whole.accounts.users.set_active("collaborator", is_active=False)
        with pytest.raises(TokenRefused):
            await finds.find(actor, "orca")

    hub.run(scenario)
