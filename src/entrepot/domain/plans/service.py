"""Plans: what they allow, who has which, and refusing what goes beyond, with what would allow it.

Whether somebody may change a plan, or give one, is decided above. What is not refused may be done in the transaction in which it
is asked for, if that has locked the namespace's row.
"""

import time
from collections.abc import Sequence
from typing import Final

from entrepot.base.errors import Unavailable
from entrepot.domain.audit.model import HUB, Act, Author, Deed, done
from entrepot.domain.audit.service.acting import Acting
from entrepot.domain.audit.service.recording import record
from entrepot.domain.plans import queries
from entrepot.domain.plans.errors import PlanInvalid, PlanRefused, PlanUnknown, SubscriberUnknown
from entrepot.domain.plans.model import Plan, checked
from entrepot.platform.db.database import Database, Reader, Transaction
from entrepot.spec.oci.names import LIBRARY

_MOST_PLANS: Final = 100
_REMEMBERED_S: Final = 60.0
_MOST_REMEMBERED: Final = 20_000


class Plans(Acting):
    """All plans; `default` is the one of those who were given none."""

    def __init__(self, db: Database, default: str, by: Author = HUB) -> None:
        super().__init__(by)
        self._db = db
        self._default = default

    async def all(self) -> Sequence[Plan]:
        """Return the plans in the order in which they offer more."""
        return await self._db.read(queries.plans, _MOST_PLANS)

    async def find(self, name: str) -> Plan:
        """Return a plan. Raises PlanUnknown."""
        found = await self._db.read(queries.named, name)
        if found is None:
            raise PlanUnknown(plan=name)
        return found

    async def of(self, namespace: str) -> Plan:
        """Return the plan of a user or an organisation. Raises PlanUnknown, SubscriberUnknown."""
        return await self._of(self._db, namespace)

    async def seats(self, namespace: str) -> int:
        """Return how many people are in an organisation; none of a user's own. Raises SubscriberUnknown."""
        return await self._db.read(queries.seats, await self._db.read(_id, namespace))

    async def pulls(self, account: int, owner: str) -> int | None:
        """Return how many pulls in six hours the best plan of an account (0: none), or a namespace's, allows; None for any."""
        found = await self._db.read(queries.pulls, str(account), owner, self._default)
        return found.limit if found else None

    async def put(self, plan: Plan) -> None:
        """Make a plan, or replace the one of that name: in force at once, for pulls within a minute. Raises PlanInvalid."""
        plan = checked(plan)

        async def store(tx: Transaction) -> None:
            await queries.put(tx, plan)
            await record(tx, self._by, Deed(Act.PLAN_SET, "", plan.name))

        await self._db.write(store)

    async def delete(self, name: str) -> None:
        """Delete a plan that nobody has. Raises PlanInvalid, PlanUnknown."""
        await self.find(name)

        async def remove(tx: Transaction) -> bool:
            is_gone = await queries.delete_plan(tx, name)
            if is_gone:
                await record(tx, self._by, Deed(Act.PLAN_DELETE, "", name))
            return is_gone

        if name == self._default or not await self._db.write(remove):
            raise PlanInvalid(what="name", value=name, expected="one that nobody has: give them another one first")

    async def give(self, namespace: str, name: str) -> None:
        """Give a user or an organisation a plan; what they have beyond it stays. Raises PlanUnknown, SubscriberUnknown."""

        async def change(tx: Transaction) -> None:
            if await queries.named(tx, name) is None:
                raise PlanUnknown(plan=name)
            await queries.subscribe(tx, await _id(tx, namespace), name)
            await record(tx, self._by, done(Act.PLAN_GIVE, namespace, {"plan": name}))

        await self._db.write(change)

    async def require_private(self, tx: Transaction, namespace: tuple[int, str], taken: int) -> None:
        """Do nothing when a namespace (its id and name), which has `taken` private repositories, may have one more.

        Raises:
            PlanRefused
        """
        id_, name = namespace
        plan = await queries.plan_of(tx, id_, self._default)
        if name == LIBRARY or plan is None or plan.private_repositories is None or taken < plan.private_repositories:
            return
        has = f"{name} has {_count(taken, 'private repository', 'private repositories')}"
        await self._refuse(
            tx, plan, "private_repositories", f"{has}, and its plan {plan.name} allows no more: make one public, or"
        )

    async def require_seat(self, tx: Transaction, namespace: tuple[int, str]) -> None:
        """Do nothing when an organisation (its id and name) may have one more member. Raises PlanRefused."""
        id_, name = namespace
        plan, taken = await queries.plan_of(tx, id_, self._default), await queries.seats(tx, id_)
        if plan is None or plan.seats is None or taken < plan.seats:
            return
        has = f"{name} has {_count(taken, 'member', 'members')}"
        await self._refuse(tx, plan, "seats", f"{has}, and its plan {plan.name} allows no more: remove one, or")

    async def _refuse(self, tx: Reader, plan: Plan, what: str, said: str) -> None:
        """Refuse, and say which plan would not."""
        has = getattr(plan, what)
        for better in await queries.plans(tx, _MOST_PLANS):
            offers = getattr(better, what)
            if better.rank > plan.rank and (offers is None or offers > has):
                allows = "any number" if offers is None else str(offers)
                raise PlanRefused(reason=f"{said} ask the hub's administrator for the plan {better.name}, which allows {allows}")
        raise PlanRefused(reason=f"{said} ask the hub's administrator for more")

    async def _of(self, db: Database, namespace: str) -> Plan:
        found = await db.read(queries.plan_of, await db.read(_id, namespace), self._default)
        if found is None:
            raise PlanUnknown(plan=self._default)
        return found


class Allowances:
    """How much accounts may pull, remembered for a minute: a pull asks the database nothing. Used by one event loop."""

    def __init__(self, db: Database, default: str, otherwise: int | None) -> None:
        """Take the plan of those who were given none, and what holds while nobody can tell."""
        self._db = db
        self._default = default
        self._otherwise = otherwise
        self._known: dict[tuple[int, str], tuple[int | None, float]] = {}

    async def pulls(self, account: int, owner: str) -> int | None:
        """Return how many pulls in six hours an account, or what a namespace owns, is allowed; None for any number."""
        key = (account, owner)
        limit, until = self._known.get(key, (self._otherwise, 0.0))
        if until > time.monotonic():
            return limit
        try:
            found = await self._db.recall(queries.pulls, str(account), owner, self._default)
        except Unavailable:
            return limit  # as it was, or as it is for most
        if found is not None:
            limit = found.limit
        if len(self._known) >= _MOST_REMEMBERED:
            self._known.clear()
        self._known[key] = (limit, time.monotonic() + _REMEMBERED_S)
        return limit


async def _id(db: Reader, name: str) -> int:
    found = await queries.namespace_id(db, name)
    if found is None:
        raise SubscriberUnknown(name=name)
    return found


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"
