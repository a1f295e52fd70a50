"""What people do with their own accounts stands in the log as done by them, once each."""

from collections.abc import Iterator
from typing import Final

import pytest

from entrepot.base.settings import Settings
from entrepot.domain.accounts.errors import CodeRefused
from entrepot.domain.accounts.model import Place
from entrepot.domain.accounts.service.sessions import Browser
from entrepot.domain.audit.model import Wanted
from entrepot.domain.audit.service.reading import Reading
from support.people import NETWORK, PASSWORD, Scene, play

pytestmark = pytest.mark.single  # the log is the database's alone
_AGAIN: Final = "another fine password"


def test_what_people_do_with_their_own_accounts_is_recorded_once(place: Settings, number: Iterator[int]) -> None:
    name, team, owner = f"fay{next(number)}", f"crew{next(number)}", f"gus{next(number)}"

    async def scenario(scene: Scene) -> None:
        who, people = scene.who, scene.who.people
        await who.users.add(owner, PASSWORD)
        await who.organisations.add(team, owner)
        await people.invitations.invite_member(team, f"{name}@example.com", Place.MEMBER, owner, by_administrator=True)
        await scene.deliver()
        await people.invitations.accept(scene.box.link(), name, PASSWORD)
        await people.recovery.ask_reset(name, NETWORK)
        await scene.deliver()
        await people.recovery.reset(scene.box.link(), _AGAIN)
        account, _, codes = await scene.enrolled(name)
        with pytest.raises(CodeRefused):
            await people.sessions.sign_in(name, _AGAIN, "nonsense", Browser(NETWORK))
        await people.own.delete(account, _AGAIN, codes[0], NETWORK)
        found = [await Reading(scene.db).newest(wanted, 50) for wanted in (Wanted(namespace=name), Wanted(actor=name))]
        rows = {row.id: row for rows in found for row in rows}
        acts = [(row.act, row.actor, row.target, row.outcome) for _, row in sorted(rows.items())]
        assert acts == [
            ("user.add", name, name, "done"),
            ("member.set", name, team, "done"),
            ("user.password", name, name, "done"),
            ("second-factor.add", name, name, "done"),
            ("sign-in", name, name, "done"),
            ("sign-in", "anyone", name, "refused"),
            ("sign-in", name, name, "done"),
            ("user.delete", name, name, "done"),
        ]

    play(place, scenario)
