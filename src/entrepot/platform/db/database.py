"""What the rest of the product knows of the database: `read` a query, `write` a body. There is no connection outside these two.

A body is `async def body(tx, …)`. It awaits nothing but `tx`, may be run again from its start, and is committed, with all
that it wrote, before `write` returns.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Concatenate, Final, ParamSpec, Protocol, TypeVar

from sqlalchemy import literal, select

from entrepot.base.errors import Unavailable
from entrepot.platform.db.statements import ListStatement, Row, Statement, Value

_P = ParamSpec("_P")
_T = TypeVar("_T")


class DatabaseUnavailable(Unavailable):
    """The database does not answer."""

    def __init__(self) -> None:
        super().__init__("the registry's database")


class DatabaseAway(DatabaseUnavailable):
    """The database was found away: `for_s` seconds ago it answered last."""

    def __init__(self, for_s: float) -> None:
        super().__init__()
        self.for_s = for_s


class DatabaseFull(DatabaseUnavailable):
    """The disk of the database has no room left, and reads go on."""

    summary = (
        "the disk of the registry's database is full, so that nothing can be changed: its administrator must make room; "
        "try again in {retry_after_s} seconds"
    )


class DatabaseReadOnly(DatabaseUnavailable):
    """The database gives rows and takes none."""

    summary = (
        "the registry's database can only be read at the moment: its administrator must make its disk writable again; "
        "try again in {retry_after_s} seconds"
    )


class Reader(Protocol):
    """Runs statements that change nothing."""

    async def one(self, statement: Statement, **parameters: Value) -> Row | None:
        """Return the first row, or None."""

    async def all(self, statement: Statement, **parameters: Value) -> Sequence[Row]:
        """Return all rows: every statement run so is bounded by itself."""

    async def all_of(self, statement: ListStatement, values: Sequence[Value], **parameters: Value) -> list[Row]:
        """Run a statement about a list of values in batches and return all their rows."""


class Transaction(Reader, Protocol):
    """Runs statements that are committed together, or not at all."""

    async def run(self, statement: Statement, **parameters: Value) -> int:
        """Run a statement and return how many rows it changed."""

    async def many(self, statement: Statement, rows: Sequence[dict[str, Value]]) -> None:
        """Run a statement once for each row of parameters."""


class Weighed(Protocol):
    """A value that knows about how many bytes of memory it takes."""

    @property
    def weight(self) -> int:
        """In bytes."""


_W = TypeVar("_W", bound=Weighed)


class Database(Protocol):
    """One of the two databases. Every method may raise DatabaseUnavailable."""

    async def read(self, query: Callable[Concatenate[Reader, _P], Awaitable[_T]], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Run a query; it sees everything that was committed before."""

    async def recall(self, query: Callable[..., Awaitable[_W | None]], *args: str) -> _W | None:
        """Do what `read` does for a query that depends on nothing but its arguments and the rows: it may be spared.

        The answer is never older than the last commit before the call, of whatever process.
        """

    async def write(self, body: Callable[[Transaction], Awaitable[_T]], *, durable: bool = True) -> _T:
        """Run a body in a transaction and return its result once it is committed.

        With `durable=False` a power cut may lose the commit: for rows that mean nothing once their process has died.
        """

    async def changed(self, timeout_s: float) -> None:
        """Return when something that was `announced()` may have been committed, at the latest after `timeout_s`.

        It may return for nothing, and on PostgreSQL an announcement may be lost with its connection.
        """

    async def open(self) -> None:
        """Connect; called once, in the process and event loop that will use it."""

    async def close(self) -> None:
        """Finish running transactions and disconnect."""


_ONE: Final = Statement(select(literal(1)))


async def answers(db: Reader) -> bool:
    """Tell that the database answers; it raises when it does not."""
    return await db.one(_ONE) is not None
