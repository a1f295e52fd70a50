"""Statements about the chain and its anchors."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import bindparam, func, literal, null, select, update
from sqlalchemy.dialects.postgresql import insert

from entrepot.domain.audit.chain import START
from entrepot.domain.audit.model import Anchor, Event, Head
from entrepot.domain.audit.queries.events import event_of
from entrepot.domain.audit.tables import audit_anchor, audit_chain, audit_event
from entrepot.platform.db.columns import now_us
from entrepot.platform.db.database import Reader, Transaction
from entrepot.platform.db.statements import Row, Statement

_OURS: Final = audit_chain.c.name == literal("audit")
_WAITS: Final = audit_event.c.position.is_(None)
_COLUMNS: Final = tuple(audit_event.c[name] for name in Event.__struct_fields__)
_HEAD: Final = select(audit_chain.c.position, audit_chain.c.digest, audit_chain.c.floor).where(_OURS)
_READ: Final = Statement(_HEAD)
_LOCK: Final = Statement(_HEAD.with_for_update())
_BEGIN: Final = Statement(
    insert(audit_chain)
    .values(name=literal("audit"), position=literal(0), digest=bindparam("digest"), floor=literal(0))
    .on_conflict_do_nothing(index_elements=[audit_chain.c.name])
)
_LAST: Final = Statement(
    select(audit_event.c.position, audit_event.c.digest)
    .where(audit_event.c.position.is_not(None))
    .order_by(audit_event.c.position.desc())
    .limit(1)
)
_ANY_WAITING: Final = Statement(select(audit_event.c.id).where(_WAITS).limit(1))
_COUNT_WAITING: Final = Statement(select(func.count()).select_from(audit_event).where(_WAITS))
_WAITING: Final = Statement(select(*_COLUMNS).where(_WAITS).order_by(audit_event.c.id).limit(bindparam("limit")))
_PLACE: Final = Statement(
    update(audit_event)
    .where(audit_event.c.id == bindparam("id_"))
    .values(position=bindparam("position_"), digest=bindparam("digest_"))
)
_EXTEND: Final = Statement(update(audit_chain).where(_OURS).values(position=bindparam("position_"), digest=bindparam("digest_")))
_RAISE_FLOOR: Final = Statement(update(audit_chain).where(_OURS).values(floor=bindparam("floor_")))
_ANCHORS: Final = select(
    audit_anchor.c.position, audit_anchor.c.digest, audit_anchor.c.token, audit_anchor.c.made_at, audit_anchor.c.floor
)
_ANCHORS_AFTER: Final = Statement(
    _ANCHORS.where(audit_anchor.c.position > bindparam("position")).order_by(audit_anchor.c.position).limit(bindparam("limit"))
)
_LAST_ANCHOR: Final = Statement(
    _ANCHORS.where(audit_anchor.c.made_at < bindparam("until")).order_by(audit_anchor.c.position.desc()).limit(1)
)
_ADD_ANCHOR: Final = Statement(
    insert(audit_anchor)
    .values(position=bindparam("position"), digest=bindparam("digest"), token=bindparam("token"), made_at=now_us(), floor=null())
    .on_conflict_do_nothing(index_elements=[audit_anchor.c.position])
)
_SIGN_FLOOR: Final = Statement(
    update(audit_anchor).where(audit_anchor.c.position == bindparam("position_")).values(floor=bindparam("floor_"))
)
_NOW: Final = Statement(select(now_us()))
_ENDLESS: Final = (1 << 63) - 1


async def head(db: Reader) -> Head | None:
    """Return how far the chain goes; None before its first row."""
    return _head(await db.one(_READ))


async def lock(tx: Transaction) -> Head:
    """Let nobody else make the chain longer until the transaction ends, and return how far it goes.

    What the rows say counts when there are more than were noted: the note may have been tampered with, and the chain goes on.
    """
    await tx.run(_BEGIN, digest=START)
    found = _head(await tx.one(_LOCK)) or Head(0, START)
    row = await tx.one(_LAST)
    return Head(row[0], bytes(row[1]), found.floor) if row and row[0] > found.position else found


async def is_any_waiting(db: Reader) -> bool:
    """Tell whether a row has no place in the chain yet."""
    return await db.one(_ANY_WAITING) is not None


async def count_waiting(db: Reader) -> int:
    """Return how many rows have no place in the chain yet."""
    row = await db.one(_COUNT_WAITING)
    return row[0] if row else 0


async def waiting(tx: Transaction, limit: int) -> list[Event]:
    """Return the rows that wait for a place, in the order in which they were written."""
    return [event_of(row) for row in await tx.all(_WAITING, limit=limit)]


async def extend(tx: Transaction, placed: Sequence[tuple[int, int, bytes]]) -> None:
    """Give rows (by id) their position and digest, in order, and let the chain end with the last of them."""
    await tx.many(_PLACE, [{"id_": id_, "position_": position, "digest_": digest} for id_, position, digest in placed])
    _, position, digest = placed[-1]
    await tx.run(_EXTEND, position_=position, digest_=digest)


async def anchors_after(db: Reader, position: int, limit: int) -> list[Anchor]:
    """Return anchors behind a position, in order; at most `limit`."""
    return [_anchor(row) for row in await db.all(_ANCHORS_AFTER, position=position, limit=limit)]


async def last_anchor(db: Reader, until: int = _ENDLESS) -> Anchor | None:
    """Return the last anchor that was made before that time."""
    row = await db.one(_LAST_ANCHOR, until=until)
    return _anchor(row) if row else None


async def add_anchor(tx: Transaction, position: int, digest: bytes, token: str) -> bool:
    """Store an anchor; False when there is one of that row."""
    return await tx.run(_ADD_ANCHOR, position=position, digest=digest, token=token) > 0


async def raise_floor(tx: Transaction, position: int, signed: str) -> None:
    """Note that the rows up to that anchor's are pruned."""
    await tx.run(_SIGN_FLOOR, position_=position, floor_=signed)
    await tx.run(_RAISE_FLOOR, floor_=position)


async def now(db: Reader) -> int:
    """Return the database's time."""
    row = await db.one(_NOW)
    return row[0] if row else 0


def _head(row: Row | None) -> Head | None:
    return Head(row[0], bytes(row[1]), row[2]) if row else None


def _anchor(row: Row) -> Anchor:
    return Anchor(row[0], bytes(row[1]), *row[2:])
