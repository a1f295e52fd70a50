"""Statements about changes of repositories: what was changed, in an order in which none is missed.

A row becomes visible at its commit. On PostgreSQL that may be later than of one that was written after it, so rows are ordered by
their transaction, and only those are read before which nothing can come any more. SQLite has one writer: there the id is enough.
"""

from typing import Any, Final

from sqlalchemy import BigInteger, bindparam, cast, delete, func, insert, null, select, tuple_
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from entrepot.domain.registry.model import Change, Mark
from entrepot.domain.registry.tables import repository, repository_change
from entrepot.platform.db.columns import BIG, EXACT_TEXT, now_us
from entrepot.platform.db.database import Reader, Transaction
from entrepot.platform.db.statements import Statement


class _settled(FunctionElement[int]):  # noqa: N801 - written like the SQL functions of SQLAlchemy
    """The transaction before which all have ended; SQLite's only one is 0, and 1 stands behind it."""

    type = BIG
    inherit_cache = True


@compiles(_settled, "sqlite")
def _on_sqlite(_element: _settled, _compiler: SQLCompiler, **_options: object) -> str:
    return "1"


@compiles(_settled, "postgresql")
def _on_postgresql(_element: _settled, _compiler: SQLCompiler, **_options: object) -> str:
    return "pg_snapshot_xmin(pg_current_snapshot())::text::bigint"


_XACT: Final[Any] = bindparam("xact", type_=BigInteger())
_NOTE: Final = Statement(
    insert(repository_change).values(repository=bindparam("repository"), manifest=bindparam("manifest"), made_at=now_us())
)
_NOTE_IN: Final = Statement(
    insert(repository_change).from_select(
        ["repository", "manifest", "made_at"],
        select(repository.c.id, cast(null(), BIG), now_us())
        .where(
            repository.c.name > bindparam("first", type_=EXACT_TEXT), repository.c.name < bindparam("behind", type_=EXACT_TEXT)
        )
        .order_by(repository.c.id),
    )
)
_MARK: Final = (repository_change.c.xact, repository_change.c.id, repository_change.c.made_at)
_BEHIND: Final = tuple_(repository_change.c.xact, repository_change.c.id) > tuple_(_XACT, bindparam("id", type_=BIG))
_AFTER: Final = Statement(
    select(repository_change.c.repository, repository_change.c.manifest, *_MARK)
    .where(_BEHIND, repository_change.c.xact < _settled())
    .order_by(repository_change.c.xact, repository_change.c.id)
    .limit(bindparam("limit"))
)
_END: Final = Statement(
    select(*_MARK)
    .where(repository_change.c.xact < _settled())
    .order_by(repository_change.c.xact.desc(), repository_change.c.id.desc())
    .limit(1)
)
_MADE_AT: Final = Statement(
    select(repository_change.c.made_at).where(
        repository_change.c.xact == _XACT, repository_change.c.id == bindparam("id", type_=BIG)
    )
)
_CLOCKS: Final = Statement(select(_settled(), now_us()))
# The last row stays: where none is left SQLite would begin to count anew.
_FORGET: Final = Statement(
    delete(repository_change).where(
        repository_change.c.made_at < now_us() - bindparam("age_us_", type_=BIG),
        repository_change.c.id < select(func.max(repository_change.c.id)).scalar_subquery(),
    )
)


async def note(tx: Transaction, repository_: int, manifest: int | None = None) -> None:
    """Write that a repository is changed by this transaction, which pushed that manifest."""
    await tx.run(_NOTE, repository=repository_, manifest=manifest)


async def note_in(tx: Transaction, namespace: str) -> None:
    """Write that all repositories of a namespace are changed by this transaction."""
    await tx.run(_NOTE_IN, first=f"{namespace}/", behind=f"{namespace}0")  # a slash is followed by the digit 0


async def after(db: Reader, mark: Mark, limit: int) -> list[Change]:
    """Return the changes behind a mark, in order, at most `limit`; those before which others may come are left for later."""
    rows = await db.all(_AFTER, xact=mark.xact, id=mark.id, limit=limit)
    return [Change(repository_, manifest, Mark(*mark)) for repository_, manifest, *mark in rows]


async def end(db: Reader) -> Mark:
    """Return the mark of the last change that can be read now."""
    row = await db.one(_END)
    return Mark(*row) if row else Mark()


async def is_there(db: Reader, mark: Mark) -> bool:
    """Tell whether a mark is of this database's, and not of one that another copy went on from."""
    row = await db.one(_MADE_AT, xact=mark.xact, id=mark.id)
    return row is not None and row[0] == mark.at


async def clocks(db: Reader) -> tuple[int, int]:
    """Return the transaction before which all have ended, and the database's time in microseconds UTC."""
    row = await db.one(_CLOCKS)
    return (row[0], row[1]) if row else (0, 0)


async def forget(tx: Transaction, age_us: int) -> int:
    """Delete changes that are older; return how many."""
    return await tx.run(_FORGET, age_us_=age_us)
