"""An organisation that asks for a second factor, as the registry sees it: without one nothing of it is pulled or listed."""

from collections.abc import Iterator

import msgspec
import pytest

from entrepot.base.settings import Settings
from entrepot.domain.access.errors import Unproven
from entrepot.domain.access.model import ANYONE, Action
from entrepot.domain.accounts.model import Grant, Held, Scope, Terms
from entrepot.spec.oci.digest import Digest
from entrepot.spec.oci.names import RepositoryName
from support import manifests
from support.parts import parts, push_blob
from support.people import NETWORK, PASSWORD, Scene, play


async def pushed(place: Settings, name: RepositoryName) -> None:
    """Push an image that is not for everyone."""
    async with parts(msgspec.structs.replace(place, access="open")) as whole:
        config = await push_blob(whole, name.asked, b"{}")
        await whole.registry.manifests.push(ANYONE, name, manifests.image(config, Digest.of(b"{}")), None, ["v1"])
        await whole.registry.repositories.set_visibility(ANYONE, name, public=False)


@pytest.mark.parametrize("how", ["member", "granted"])
def test_without_a_second_factor_nothing_of_it_is_there(place: Settings, number: Iterator[int], how: str) -> None:
    owner, name, team = f"ann{next(number)}", f"bob{next(number)}", f"team{next(number)}"
    app = RepositoryName.parse(f"{team}/app")

    async def scenario(scene: Scene) -> None:
        who = scene.who
        for each in (owner, name):
            await who.users.add(each, PASSWORD)
        await who.organisations.add(team, owner)
        await pushed(place, app)
        if how == "granted":
            await who.organisations.grant_to_account(team, name, Held("*", Grant.WRITE))
        _, token = await who.credentials.add_personal(name if how == "granted" else owner, "ci", Terms(Scope.WRITE))
        actor = await who.identity.basic("", token, NETWORK)
        async with parts(msgspec.structs.replace(place, access="accounts")) as whole:

            async def is_there() -> tuple[bool, bool]:
                listed = await whole.registry.tags.catalogue(actor, "", 1000)
                return app.asked in listed.names, await whole.accounts.rule.may(actor, Action.PUSH, app)

            assert await is_there() == (True, True)
            await who.organisations.require_second_factor(team, is_required=True)
            assert await is_there() == (False, False)
            with pytest.raises(Unproven):
                await whole.registry.manifests.find(actor, app, "v1")
            await scene.enrolled(actor.name)
            assert await is_there() == (True, True)

    play(place, scenario)
