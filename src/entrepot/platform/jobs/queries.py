"""Every statement about jobs. Time is the database's: no node's clock decides anything.

Who holds a job is a token in its row. What its holder changes is changed only where the token still stands and the lease has
not run out; an expired lease cannot be renewed, so that a place that was counted as free stays free. Whoever has `hold` in
the same transaction has the row locked by its token, and need not look at the lease again: what waited for other rows
commits all, or nothing.
"""

from collections.abc import Sequence
from typing import Any, Final

from msgspec import Raw, json
from sqlalchemy import BigInteger, bindparam, case, delete, exists, func, null, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert as insert_unless_there

from entrepot.base.ids import new_token
from entrepot.platform.db.announcing import announced
from entrepot.platform.db.columns import now_us
from entrepot.platform.db.database import Reader, Transaction
from entrepot.platform.db.statements import ListStatement, Statement, Value
from entrepot.platform.jobs.model import Held, Job, JobRow
from entrepot.platform.jobs.tables import job, job_queue, job_schedule

_LIVE: Final = text("finished_at IS NULL")  # the words of the partial indexes
_CREATED: Final[dict[str, Any]] = dict.fromkeys(("attempt", "lease_until", "cancel_requested", "again"), 0) | {"error": ""}
_ENQUEUE: Final = Statement(
    insert_unless_there(job)
    .values(
        **{name: bindparam(name) for name in ("key", "queue", "kind", "arguments", "max_attempts")},
        **_CREATED,
        state="ready",
        run_at=now_us() + bindparam("delay_us"),
        created_at=now_us(),
    )
    .on_conflict_do_nothing(index_elements=[job.c.key], index_where=_LIVE)
    .returning(job.c.id, announced())
)
_AGAIN: Final = Statement(
    update(job)
    .where(job.c.key == bindparam("key_"), job.c.finished_at.is_(None))
    .values(again=case((job.c.state == "running", 1), else_=0))
)
_ADD_QUEUE: Final = Statement(insert_unless_there(job_queue).values(name=bindparam("name")).on_conflict_do_nothing())
# A subquery is evaluated once, so that PostgreSQL can look the time up in an index.
_NOW: Final = select(now_us()).scalar_subquery()
# What was written while the clock was ahead must not wait until it is that time again: no time to wait for began after now,
# and no lease lasts for two of them.
_READY: Final = (job.c.state == "ready", or_(job.c.run_at <= _NOW, job.c.created_at > _NOW), job.c.finished_at.is_(None))
_EXPIRED: Final = (
    job.c.state == "running",
    or_(job.c.lease_until <= now_us(), job.c.lease_until > now_us() + 2 * bindparam("lease_us", type_=BigInteger)),
    job.c.finished_at.is_(None),
)
_DUE: Final = Statement(
    select(job_queue.c.name).where(or_(*(exists().where(job.c.queue == job_queue.c.name, *each) for each in (_READY, _EXPIRED))))
)
_LOCK_QUEUE: Final = Statement(select(job_queue.c.name).where(job_queue.c.name == bindparam("queue")).with_for_update())
_LET_GO: Final[dict[str, Any]] = {"owner": None, "lease_until": 0}
_OVER: Final = or_(job.c.cancel_requested == 1, job.c.attempt >= job.c.max_attempts)
# What becomes of a job whose attempt came to nothing.
_AFTER_TROUBLE: Final[dict[str, Any]] = _LET_GO | {
    "state": case((job.c.cancel_requested == 1, "cancelled"), (job.c.attempt >= job.c.max_attempts, "failed"), else_="ready"),
    "finished_at": case((_OVER, now_us()), else_=null()),
}
_REAP: Final = Statement(
    update(job)
    .where(job.c.queue == bindparam("queue_"), *_EXPIRED)
    .values(_AFTER_TROUBLE | {"error": "the process that ran it died, or did not renew its lease in time"})
)
_RUNNING: Final = Statement(
    select(func.count()).select_from(job).where(job.c.queue == bindparam("queue"), job.c.state == "running", _LIVE)
)
_NEXT: Final = ListStatement(
    lambda kinds: (
        select(job.c.id)
        .where(job.c.queue == bindparam("queue"), *_READY, job.c.kind.in_(kinds))
        .order_by(job.c.run_at, job.c.id)
        .limit(bindparam("limit"))
        .with_for_update(skip_locked=True)
    )
)
_TAKE: Final = Statement(
    update(job)
    .where(job.c.id == bindparam("job"))
    .values(state="running", owner=bindparam("token"), lease_until=now_us() + bindparam("lease_us"), attempt=job.c.attempt + 1)
    .returning(job.c.id, job.c.owner, job.c.kind, job.c.arguments, job.c.attempt, job.c.checkpoint)
)
_OWN: Final = (job.c.id == bindparam("job"), job.c.owner == bindparam("token"), job.c.state == "running")
_FENCE: Final = (*_OWN, job.c.lease_until > now_us())
_HOLD: Final = Statement(
    update(job).where(*_FENCE).values(lease_until=now_us() + bindparam("lease_us")).returning(job.c.cancel_requested)
)
_CHECKPOINT: Final = Statement(update(job).where(*_OWN).values(checkpoint=bindparam("saved")))
_PROGRESS: Final = Statement(update(job).where(*_OWN).values(progress=bindparam("said")))
_AGAIN_ASKED: Final = job.c.again == 1
_FINISH: Final = Statement(
    update(job)
    .where(*_OWN)
    .values(
        **_LET_GO,
        error="",
        again=0,
        state=case((_AGAIN_ASKED, "ready"), else_="done"),
        finished_at=case((_AGAIN_ASKED, null()), else_=now_us()),
        run_at=case((_AGAIN_ASKED, now_us()), else_=job.c.run_at),
        attempt=case((_AGAIN_ASKED, 0), else_=job.c.attempt),
        checkpoint=case((_AGAIN_ASKED, null()), else_=job.c.checkpoint),
    )
    .returning(announced())
)
_FAIL: Final = Statement(
    update(job).where(*_FENCE).values(_AFTER_TROUBLE | {"error": bindparam("reason"), "run_at": now_us() + bindparam("pause_us")})
)
_CANCELLED: Final[dict[str, Any]] = {"state": "cancelled", "finished_at": now_us()}
_END_CANCELLED: Final = Statement(update(job).where(*_FENCE).values(_LET_GO | _CANCELLED))
_GIVE_BACK: Final = Statement(
    update(job).where(*_FENCE).values(**_LET_GO, state="ready", attempt=job.c.attempt - 1).returning(announced())
)
_CANCEL_READY: Final = Statement(update(job).where(job.c.id == bindparam("job"), job.c.state == "ready").values(_CANCELLED))
_CANCEL_RUNNING: Final = Statement(
    update(job).where(job.c.id == bindparam("job"), job.c.state == "running").values(cancel_requested=1)
)
_other: Final = job.alias()
_RETRY: Final = Statement(
    update(job)
    .where(
        job.c.id == bindparam("job"),
        or_(job.c.state == "failed", job.c.state == "cancelled"),
        ~exists().where(_other.c.key == job.c.key, _other.c.finished_at.is_(None)),
    )
    .values(_CREATED | {"state": "ready", "run_at": now_us(), "finished_at": None})
    .returning(job.c.id, announced())
)
_DROP: Final = Statement(delete(job).where(job.c.id == bindparam("job"), job.c.finished_at.is_not(None)))
_PRUNE: Final = Statement(
    delete(job).where(
        job.c.id.in_(
            select(job.c.id)
            .where(or_(job.c.state == "done", job.c.state == "cancelled"), job.c.finished_at < now_us() - bindparam("keep_us"))
            .limit(bindparam("limit"))
        )
    )
)
_SHOWN: Final = [job.c[name] for name in JobRow.__struct_fields__]
_LIST: Final = select(*_SHOWN).where(job.c.id < bindparam("before")).order_by(job.c.id.desc()).limit(bindparam("limit"))
_LIST_ALL: Final = Statement(_LIST)
_LIST_STATE: Final = Statement(_LIST.where(job.c.state == bindparam("state")))
_ONE: Final = Statement(select(*_SHOWN).where(job.c.id == bindparam("job")))
_COUNT_RUNNING: Final = Statement(
    select(func.count()).select_from(job).where(job.c.state == "running", job.c.lease_until > now_us(), _LIVE)
)
_IS_LIVE: Final = exists().where(job.c.id == job_schedule.c.job, job.c.finished_at.is_(None))
_SLOTS: Final = Statement(select(job_schedule.c.name, job_schedule.c.slot, case((_IS_LIVE, 1), else_=0)))
_TIME: Final = Statement(select(now_us()))
_ADD_SCHEDULE: Final = Statement(
    insert_unless_there(job_schedule).values(name=bindparam("name"), slot=-1, job=0).on_conflict_do_nothing()
)
_LOCK_SCHEDULE: Final = Statement(select(job_schedule.c.slot).where(job_schedule.c.name == bindparam("name")).with_for_update())
_SET_SLOT: Final = Statement(
    update(job_schedule).where(job_schedule.c.name == bindparam("name_")).values(slot=bindparam("newest"), job=bindparam("made"))
)


async def enqueue(tx: Transaction, work: Job, *, key: str | None = None, delay_us: int = 0, again: bool = False) -> int | None:
    """Add a job to the transaction and return its id, or None when one with this key waits or runs already.

    With `again`, one that runs already will run once more after its end: it may have read what changed just now too early.
    """
    about: dict[str, Value] = {"key": key, "queue": work.queue, "kind": work.kind, "max_attempts": work.max_attempts}
    while True:
        row = await tx.one(_ENQUEUE, **about, arguments=json.encode(work).decode(), delay_us=delay_us)
        if row is not None:
            return int(row[0])
        if not again or await tx.run(_AGAIN, key_=key):
            return None  # else the other one ended between the two statements


async def add_queues(tx: Transaction, names: Sequence[str]) -> None:
    """Make the queues known; in order, so that two processes that start at once do not wait for one another."""
    await tx.many(_ADD_QUEUE, [{"name": name} for name in sorted(names)])


async def due(db: Reader, lease_us: int) -> list[str]:
    """Return the queues in which a job could be begun or taken over."""
    return [row[0] for row in await db.all(_DUE, lease_us=lease_us)]


async def claim(tx: Transaction, queue: str, kinds: Sequence[str], limits: tuple[int, int], lease_us: int) -> list[Held]:
    """Take jobs of a queue; `limits` are how many to take at most, and how many of this queue may run everywhere."""
    at_most, everywhere = limits
    await tx.one(_LOCK_QUEUE, queue=queue)
    await tx.run(_REAP, queue_=queue, lease_us=lease_us)
    running = await tx.one(_RUNNING, queue=queue)
    free = min(at_most, everywhere - (running[0] if running else 0))
    found = await tx.all_of(_NEXT, kinds, queue=queue, limit=free) if free > 0 else []
    taken = [await tx.one(_TAKE, job=row[0], token=new_token(), lease_us=lease_us) for row in found]
    return [Held(*row) for row in taken if row is not None]


async def hold(tx: Transaction, held: Held, lease_us: int) -> bool | None:
    """Renew the lease and lock the row; return whether cancelling was asked for, or None when it is not held any more."""
    row = await tx.one(_HOLD, job=held.id, token=held.owner, lease_us=lease_us)
    return None if row is None else bool(row[0])


async def save_checkpoint(tx: Transaction, held: Held, checkpoint: str) -> None:
    """Record where a later attempt goes on, after `hold`."""
    await tx.run(_CHECKPOINT, job=held.id, token=held.owner, saved=checkpoint)


async def save_progress(tx: Transaction, held: Held, progress: str) -> None:
    """Record how far it has come, after `hold`."""
    await tx.run(_PROGRESS, job=held.id, token=held.owner, said=progress)


async def finish(tx: Transaction, held: Held) -> bool:
    """End the job as done, or make it ready once more, after `hold`; False when it is not held any more."""
    return await tx.one(_FINISH, job=held.id, token=held.owner) is not None


async def fail(tx: Transaction, held: Held, reason: str, pause_us: int) -> bool:
    """End the attempt: the job is ready again after a pause, or failed when this was its last one."""
    return await tx.run(_FAIL, job=held.id, token=held.owner, reason=reason, pause_us=pause_us) > 0


async def end_cancelled(tx: Transaction, held: Held) -> bool:
    """End the job as cancelled."""
    return await tx.run(_END_CANCELLED, job=held.id, token=held.owner) > 0


async def give_back(tx: Transaction, held: Held) -> bool:
    """Let another process go on with it at once; the attempt does not count."""
    return await tx.one(_GIVE_BACK, job=held.id, token=held.owner) is not None


async def cancel(tx: Transaction, id_: int) -> bool:
    """Cancel a job that waits, or ask the process that runs it to end it."""
    return await tx.run(_CANCEL_READY, job=id_) > 0 or await tx.run(_CANCEL_RUNNING, job=id_) > 0


async def retry(tx: Transaction, id_: int) -> bool:
    """Make a failed or cancelled job ready, with all its attempts; False when it is neither, or its key is in use again."""
    return await tx.one(_RETRY, job=id_) is not None


async def drop(tx: Transaction, id_: int) -> bool:
    """Delete the row of a job that has ended."""
    return await tx.run(_DROP, job=id_) > 0


async def prune(tx: Transaction, keep_us: int, limit: int) -> int:
    """Delete jobs that were done or cancelled some time ago, at most `limit`; those that failed stay until they are dropped."""
    return await tx.run(_PRUNE, keep_us=keep_us, limit=limit)


async def listed(db: Reader, state: str | None, before: int, limit: int) -> list[JobRow]:
    """Return jobs, newest first, whose id is below `before`."""
    if state is None:
        return [_shown(row) for row in await db.all(_LIST_ALL, before=before, limit=limit)]
    return [_shown(row) for row in await db.all(_LIST_STATE, before=before, limit=limit, state=state)]


async def one(db: Reader, id_: int) -> JobRow | None:
    """Return a job."""
    row = await db.one(_ONE, job=id_)
    return _shown(row) if row else None


async def count_running(db: Reader) -> int:
    """Return how many jobs run anywhere."""
    row = await db.one(_COUNT_RUNNING)
    return int(row[0]) if row else 0


def _shown(row: Sequence[Any]) -> JobRow:
    about = dict(zip(JobRow.__struct_fields__, row, strict=True))
    raw = {name: Raw((about[name] or "null").encode()) for name in ("arguments", "progress")}
    return JobRow(**{**about, **raw, "cancel_requested": bool(about["cancel_requested"])})


async def slots(db: Reader) -> tuple[int, dict[str, tuple[int, bool]]]:
    """Return the time, and for each schedule its newest slot and whether its job is still to be done."""
    now = await db.one(_TIME)
    return now[0] if now else 0, {row[0]: (row[1], bool(row[2])) for row in await db.all(_SLOTS)}


async def lock_schedule(tx: Transaction, name: str) -> tuple[int, int, bool]:
    """Lock a schedule and return the time, its newest slot and whether its job is still to be done.

    They are read after the lock, in another statement: on PostgreSQL the one that waits does not see what it waited for.
    """
    await tx.run(_ADD_SCHEDULE, name=name)
    await tx.one(_LOCK_SCHEDULE, name=name)
    now, known = await slots(tx)
    return now, *known[name]


async def set_slot(tx: Transaction, name: str, slot: int, job_id: int) -> None:
    """Record for which slot a job was made last."""
    await tx.run(_SET_SLOT, name_=name, newest=slot, made=job_id)
