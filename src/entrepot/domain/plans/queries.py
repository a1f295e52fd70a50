"""Statements about plans and who has which."""

from typing import Any, Final

from sqlalchemy import BindParameter, bindparam, delete, exists, func, or_, select
from sqlalchemy.dialects.postgresql import insert as insert_or_replace

from entrepot.domain.accounts.tables import account, member, namespace
from entrepot.domain.plans.model import Plan, Pulls
from entrepot.domain.plans.tables import plan, subscription
from entrepot.platform.db.columns import BIG, EXACT_TEXT, now_us
from entrepot.platform.db.database import Reader, Transaction
from entrepot.platform.db.statements import Statement

_LIMITS: Final = ("rank", "private_repositories", "storage_bytes", "pulls", "seats", "priority", "features")
_COLUMNS: Final = (plan.c.name, *(plan.c[name] for name in _LIMITS))
_DEFAULT: Final[BindParameter[str]] = bindparam("default", type_=EXACT_TEXT)
_ACCOUNT: Final[BindParameter[int]] = bindparam("account", type_=BIG)
_ALL: Final = Statement(select(*_COLUMNS).order_by(plan.c.rank, plan.c.name).limit(bindparam("limit")))
_NAMED: Final = Statement(select(*_COLUMNS).where(plan.c.name == bindparam("name")))
_OF: Final = Statement(
    select(*_COLUMNS).where(
        plan.c.name
        == func.coalesce(
            select(subscription.c.plan).where(subscription.c.namespace == bindparam("namespace")).scalar_subquery(), _DEFAULT
        )
    )
)
# The most generous of what somebody's own plan allows and those of the organisations that they are in.
_PULLS: Final = Statement(
    select(plan.c.pulls)
    .select_from(namespace.outerjoin(subscription, subscription.c.namespace == namespace.c.id))
    .join(plan, plan.c.name == func.coalesce(subscription.c.plan, _DEFAULT))
    .where(
        or_(
            namespace.c.id.in_(select(account.c.namespace).where(account.c.id == _ACCOUNT)),
            namespace.c.id.in_(select(member.c.namespace).where(member.c.account == _ACCOUNT)),
            namespace.c.name == bindparam("owner"),
        )
    )
    .order_by(plan.c.pulls.is_not(None), plan.c.pulls.desc())
    .limit(1)
)
_PUT: Final = Statement(
    insert_or_replace(plan)
    .values(name=bindparam("name"), **{name: bindparam(name) for name in _LIMITS})
    .on_conflict_do_update(index_elements=[plan.c.name], set_={name: bindparam(name) for name in _LIMITS})
)
_DELETE: Final = Statement(
    delete(plan).where(plan.c.name == bindparam("name_"), ~exists().where(subscription.c.plan == plan.c.name))
)
_SUBSCRIBE: Final = Statement(
    insert_or_replace(subscription)
    .values(namespace=bindparam("namespace"), plan=bindparam("plan"), since=now_us())
    .on_conflict_do_update(index_elements=[subscription.c.namespace], set_={"plan": bindparam("plan"), "since": now_us()})
)
_NAMESPACE: Final = Statement(select(namespace.c.id).where(namespace.c.name == bindparam("name")))
_SEATS: Final = Statement(select(func.count()).select_from(member).where(member.c.namespace == bindparam("namespace")))


async def plans(db: Reader, limit: int) -> list[Plan]:
    """Return the plans in the order in which they offer more, at most `limit`."""
    return [_plan(row) for row in await db.all(_ALL, limit=limit)]


async def named(db: Reader, name: str) -> Plan | None:
    """Return the plan of that name."""
    row = await db.one(_NAMED, name=name)
    return _plan(row) if row else None


async def plan_of(db: Reader, namespace_: int, default: str) -> Plan | None:
    """Return the plan of a namespace, which is `default` where it was given none."""
    row = await db.one(_OF, namespace=namespace_, default=default)
    return _plan(row) if row else None


async def pulls(db: Reader, account_: str, owner: str, default: str) -> Pulls | None:
    """Return how much an account, or a robot or token of the namespace `owner`, may pull; the id is text, as `recall` wants."""
    row = await db.one(_PULLS, account=int(account_), owner=owner, default=default)
    return Pulls(row[0]) if row else None


async def put(tx: Transaction, plan_: Plan) -> None:
    """Make a plan, or replace the one of that name."""
    values = {name: getattr(plan_, name) for name in _LIMITS}
    await tx.run(_PUT, **{**values, "name": plan_.name, "features": " ".join(plan_.features)})


async def delete_plan(tx: Transaction, name: str) -> bool:
    """Delete a plan that was given to nobody; tell whether there was one."""
    return await tx.run(_DELETE, name_=name) > 0


async def subscribe(tx: Transaction, namespace_: int, name: str) -> None:
    """Give a namespace a plan."""
    await tx.run(_SUBSCRIBE, namespace=namespace_, plan=name)


async def namespace_id(db: Reader, name: str) -> int | None:
    """Return the id of the namespace of that name."""
    row = await db.one(_NAMESPACE, name=name)
    return row[0] if row else None


async def seats(db: Reader, namespace_: int) -> int:
    """Return how many people are in an organisation."""
    row = await db.one(_SEATS, namespace=namespace_)
    return row[0] if row else 0


def _plan(row: Any) -> Plan:
    values = dict(zip(("name", *_LIMITS), row, strict=True))
    return Plan(**{**values, "features": tuple(values["features"].split())})
