"""Statements about rows of the log: adding, finding, cutting addresses, and deleting what was pruned."""

from collections.abc import Sequence
from typing import Final

import msgspec
from sqlalchemy import bindparam, delete, insert, null, select, tuple_, update

from entrepot.domain.audit.chain import Marked
from entrepot.domain.audit.model import Author, Deed, Event, Wanted
from entrepot.domain.audit.tables import audit_event
from entrepot.platform.db.columns import now_us
from entrepot.platform.db.database import Reader, Transaction
from entrepot.platform.db.statements import ListStatement, Row, Statement, Value

_NAMES: Final = Event.__struct_fields__
_ALL: Final = select(*(audit_event.c[name] for name in _NAMES))
_EXACTLY: Final = ("actor", "act", "namespace")
_ADD: Final = Statement(
    insert(audit_event).values(
        happened_at=now_us(),
        actor=bindparam("actor"),
        credential=bindparam("credential"),
        os_user=bindparam("os_user"),
        address=bindparam("address"),
        address_salt=bindparam("salt"),
        network=bindparam("network"),
        address_mark=bindparam("mark"),
        act=bindparam("act"),
        namespace=bindparam("namespace"),
        target=bindparam("target"),
        outcome=bindparam("outcome"),
        details=bindparam("details"),
        position=null(),
        digest=null(),
    )
)
_CHAINED_AFTER: Final = Statement(
    _ALL.where(audit_event.c.position > bindparam("position")).order_by(audit_event.c.position).limit(bindparam("limit"))
)
_WHOLE: Final = Statement(
    select(audit_event.c.id)
    .where(audit_event.c.address.is_not(None), audit_event.c.happened_at < now_us() - bindparam("age_us"))
    .order_by(audit_event.c.happened_at)
    .limit(bindparam("limit"))
)
_CUT: Final = ListStatement(
    lambda values: (
        update(audit_event)
        .where(audit_event.c.id.in_(values))
        .values(address=null(), address_salt=null())
        .returning(audit_event.c.id)
    )
)
_PRUNE: Final = Statement(
    delete(audit_event).where(
        audit_event.c.id.in_(
            select(audit_event.c.id)
            .where(audit_event.c.position <= bindparam("floor"))
            .order_by(audit_event.c.position)
            .limit(bindparam("limit"))
        )
    )
)
_found: dict[tuple[str, ...], Statement] = {}


async def add(tx: Transaction, by: Author, deed: Deed, address: Marked) -> None:
    """Add a row, which waits for the sequencer."""
    await tx.run(
        _ADD,
        actor=by.name,
        credential=by.credential,
        os_user=by.origin.os_user,
        address=address.address,
        salt=address.salt,
        network=address.network,
        mark=address.mark,
        act=deed.act.value,
        namespace=deed.namespace,
        target=deed.target,
        outcome=deed.outcome.value,
        details=msgspec.json.encode(deed.details, order="sorted").decode(),
    )


async def newest(db: Reader, wanted: Wanted, before: tuple[int, int], limit: int) -> list[Event]:
    """Return rows, newest first, that come before that time and id; at most `limit`."""
    names = tuple(name for name in _EXACTLY if getattr(wanted, name))
    values: dict[str, Value] = {name: getattr(wanted, name) for name in (*names, "since", "until")}
    if names not in _found:
        _found[names] = Statement(
            _ALL.where(*(audit_event.c[name] == bindparam(name) for name in names))
            .where(audit_event.c.happened_at >= bindparam("since"), audit_event.c.happened_at < bindparam("until"))
            .where(tuple_(audit_event.c.happened_at, audit_event.c.id) < tuple_(bindparam("before"), bindparam("before_id")))
            .order_by(audit_event.c.happened_at.desc(), audit_event.c.id.desc())
            .limit(bindparam("limit"))
        )
    rows = await db.all(_found[names], before=before[0], before_id=before[1], limit=limit, **values)
    return [event_of(row) for row in rows]


async def chained_after(db: Reader, position: int, limit: int) -> list[Event]:
    """Return rows of the chain behind a position, in its order; at most `limit`."""
    return [event_of(row) for row in await db.all(_CHAINED_AFTER, position=position, limit=limit)]


async def with_whole_address(db: Reader, age_us: int, limit: int) -> list[int]:
    """Return the ids of rows of that age whose address was not cut yet."""
    return [row[0] for row in await db.all(_WHOLE, age_us=age_us, limit=limit)]


async def cut(tx: Transaction, ids: Sequence[int]) -> int:
    """Leave of these rows' addresses what is kept for long; return of how many."""
    return len(await tx.all_of(_CUT, ids))


async def prune(tx: Transaction, floor: int, limit: int) -> int:
    """Delete the first rows of the chain, up to and with that position, at most `limit`; return how many."""
    return await tx.run(_PRUNE, floor=floor, limit=limit)


def event_of(row: Row) -> Event:
    """Return a row as a value."""
    values = dict(zip(_NAMES, row, strict=True))
    for name in ("address_salt", "address_mark", "digest"):
        values[name] = None if values[name] is None else bytes(values[name])
    return Event(**values)
