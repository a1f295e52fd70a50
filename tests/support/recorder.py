"""Writes down what every statement of a scenario returned, so that two databases can be compared row by row."""

import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from entrepot.platform.db.database import Database, Reader, Transaction
from entrepot.platform.db.statements import ListStatement, Row, Statement, Value

# Times, and names that are drawn at random, differ from run to run; everything else must not.
_TIME_FROM: Final = 1_000_000_000_000_000
_RANDOM: Final = re.compile(
    r"[0-9a-f]{8}-[0-9a-f-]{27}|(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])|\$argon2id\$[^']*|^[A-Za-z0-9_-]{43}$|^\{\"crv\".*|^eyJ.*"
)
_DRAWN_BYTES: Final = (16, 32)
Seen = tuple[Statement | ListStatement, object]


class Recorder:
    """A database that passes everything on and keeps, in order, each statement with the rows or the count it gave."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self.seen: list[Seen] = []

    async def open(self) -> None:
        """Pass it on."""
        await self._db.open()

    async def close(self) -> None:
        """Pass it on."""
        await self._db.close()

    async def changed(self, timeout_s: float) -> None:
        """Pass it on."""
        await self._db.changed(timeout_s)

    async def read(self, query: Callable[..., Awaitable[Any]], *words: Any, **named: Any) -> Any:
        """Pass it on, watching."""

        async def watched(reader: Reader) -> Any:
            return await query(_Watched(reader, self.seen), *words, **named)

        return await self._db.read(watched)

    async def recall(self, query: Callable[..., Awaitable[Any]], *words: str) -> Any:
        """Do what `read` does."""
        return await self.read(query, *words)

    async def write(self, body: Callable[[Transaction], Awaitable[Any]], *, durable: bool = True) -> Any:
        """Pass it on, watching."""

        async def watched(tx: Transaction) -> Any:
            return await body(_Watched(tx, self.seen))

        return await self._db.write(watched, durable=durable)


class _Watched:
    def __init__(self, inner: Any, seen: list[Seen]) -> None:
        self._inner: Transaction = inner
        self._seen = seen

    async def one(self, statement: Statement, **parameters: Value) -> Row | None:
        row = await self._inner.one(statement, **parameters)
        self._seen.append((statement, plain(row)))
        return row

    async def all(self, statement: Statement, **parameters: Value) -> Sequence[Row]:
        rows = await self._inner.all(statement, **parameters)
        self._seen.append((statement, [plain(row) for row in rows]))
        return rows

    async def all_of(self, statement: ListStatement, values: Sequence[Value], **parameters: Value) -> list[Row]:
        rows = await self._inner.all_of(statement, values, **parameters)
        self._seen.append((statement, sorted(str(plain(row)) for row in rows)))
        return rows

    async def run(self, statement: Statement, **parameters: Value) -> int:
        count = await self._inner.run(statement, **parameters)
        self._seen.append((statement, count))
        return count

    async def many(self, statement: Statement, rows: Sequence[dict[str, Value]]) -> None:
        await self._inner.many(statement, rows)
        self._seen.append((statement, len(rows)))


def plain(row: Row | None) -> list[tuple[str, Any]] | None:
    """Return each value with its type's name, and `a time` or `random` for what differs from run to run."""
    return None if row is None else [(type(value).__name__, _settled(value)) for value in row]


def _settled(value: Any) -> Any:
    if isinstance(value, int) and value > _TIME_FROM:
        return "a time"
    if isinstance(value, bytes) and len(value) in _DRAWN_BYTES:
        return "a digest or a salt"  # of rows whose times differ
    if isinstance(value, bytes) and value.startswith(b"\x01"):
        return "an envelope"
    return _RANDOM.sub("random", value) if isinstance(value, str) else value
