"""SQLite: reads inline on one read-only connection, writes grouped by one thread.

A read takes about 15 µs, a hop to a thread ten times that. Writers queue in a thread that runs up to 64 bodies, each in a
savepoint, under one BEGIN IMMEDIATE … COMMIT at synchronous=FULL; each caller is answered after the commit.

What a query answered is recalled until something is committed that it may read. Counts of pulls and signs of life of jobs are
written all the time, and no such query reads them: so there is a generation, the file's `user_version`, which every transaction
raises unless all of its statements were of such tables.
"""

import asyncio
import errno
import fcntl
import os
import queue
import sqlite3
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Concatenate, Final, NamedTuple, ParamSpec, TypeVar

from entrepot.base.remembered import Remembered
from entrepot.platform.db.database import DatabaseFull, DatabaseReadOnly, DatabaseUnavailable, Transaction, Weighed
from entrepot.platform.db.snapshot import Snapshot
from entrepot.platform.db.statements import ListStatement, Row, Statement, Value

_P = ParamSpec("_P")
_T = TypeVar("_T")
_W = TypeVar("_W", bound=Weighed)
_GROUP: Final = 64
_BUSY_TIMEOUT_S: Final = 10.0
_SHORTEST_PAUSE_S: Final = 0.0002
_LONGEST_PAUSE_S: Final = 0.005
# A look costs a few microseconds, and waking up for it ten times as much: 0.1 % of a processor.
_LOOK_EVERY_S: Final = 0.05
_STATEMENT_CACHE: Final = 512
_CACHE_KIB: Final = 8 << 10
_RECALLED_BYTES: Final = 16 << 20
_NOTHING: Final = object()  # in place of an answer that there is none
_NOTHING_BYTES: Final = 400
_PRIMARY: Final = 0xFF  # of an error's code; the rest says where it happened
_GENERATIONS: Final = 1 << 31  # the file has 32 bits for it, with a sign
_LOG_BYTES: Final = 32 << 20
_CHECKPOINT_PATIENCE_MS: Final = 50
_CHECKPOINT_PAUSE_S: Final = 1.0


class BodySuspended(RuntimeError):
    """A transaction body awaited something else than its transaction: a mistake in the program."""

    def __init__(self) -> None:
        super().__init__("a transaction body may await nothing but its transaction")


class SqliteConnection:
    """Reader and transaction at once: the statements of one connection."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._execute = connection.execute
        self._executemany = connection.executemany
        self.quiet = True  # nothing was changed that a recalled query may read

    async def one(self, statement: Statement, **parameters: Value) -> Row | None:
        """Return the first row, or None."""
        form = statement.sqlite
        self.quiet &= form.quiet
        rows: list[Row] = self._execute(form.sql, form.values(parameters)).fetchmany(1)
        return rows[0] if rows else None

    async def all(self, statement: Statement, **parameters: Value) -> Sequence[Row]:
        """Return all rows."""
        form = statement.sqlite
        self.quiet &= form.quiet
        return self._execute(form.sql, form.values(parameters)).fetchall()

    async def all_of(self, statement: ListStatement, values: Sequence[Value], **parameters: Value) -> list[Row]:
        """Run a list statement in batches and return all rows."""
        found: list[Row] = []
        for form, listed in statement.batches(values):
            found.extend(await self.all(form, **listed, **parameters))
        return found

    async def run(self, statement: Statement, **parameters: Value) -> int:
        """Run a statement and return how many rows it changed."""
        form = statement.sqlite
        self.quiet &= form.quiet
        return self._execute(form.sql, form.values(parameters)).rowcount

    async def many(self, statement: Statement, rows: Sequence[dict[str, Value]]) -> None:
        """Run a statement once for each row."""
        form = statement.sqlite
        self.quiet &= form.quiet
        self._executemany(form.sql, [form.values(row) for row in rows])


class _Waiting(NamedTuple):
    body: Callable[[Transaction], Awaitable[Any]]
    durable: bool
    answer: "asyncio.Future[Any]"


def _never(_certain: bool) -> bool:  # noqa: FBT001 - the form of all that relieve
    return False


class SqliteDatabase:
    """A database file, shared by all processes of one machine."""

    def __init__(self, file: Path, relieve: Callable[[bool], bool] = _never) -> None:
        """`relieve` makes some room on a full disk: its argument says that it certainly is, its result whether to try again."""
        self._file = file
        self._relieve = relieve
        self._log_file = file.with_name(f"{file.name}-wal")
        self._checkpoint_after = 0.0
        self._waiting: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._state: bytes | None = None
        self._generation = -1
        self._recalled: Remembered[tuple[object, ...], Any] = Remembered(_RECALLED_BYTES)
        self._seen = -1

    async def open(self) -> None:
        """Connect for reading here and for writing in a thread."""
        self._loop = asyncio.get_running_loop()
        try:
            self._writer = connect(self._file, make=False)
            self._reading = connect(self._file, read_only=True)
            self._reading.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchall()  # from now on there is a snapshot to look at
            # BEGIN IMMEDIATE polls with pauses of up to a tenth of a second; a commit takes less than a hundredth of that.
            self._turn = os.open(f"{self._file}-writer", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except (sqlite3.Error, OSError) as error:
            raise DatabaseUnavailable from error
        self._reader = SqliteConnection(self._reading)
        self._snapshot = Snapshot(self._file)
        self._thread = threading.Thread(target=self._write_groups, name="sqlite-writer", daemon=True)
        self._thread.start()

    async def close(self) -> None:
        """Commit what waits and disconnect."""
        self._waiting.put(None)
        await asyncio.to_thread(self._thread.join)
        self._reading.close()
        self._writer.close()
        self._snapshot.close()
        os.close(self._turn)

    async def read(
        self, query: Callable[Concatenate[SqliteConnection, _P], Awaitable[_T]], *args: _P.args, **kwargs: _P.kwargs
    ) -> _T:
        """Run a query inline."""
        try:
            return await query(self._reader, *args, **kwargs)
        except sqlite3.Error as error:
            raise DatabaseUnavailable from error

    async def recall(self, query: Callable[..., Awaitable[_W | None]], *args: str) -> _W | None:
        """Return what the query answered last, unless something was committed since that it may read: then all is forgotten.

        What is not there is remembered too, or the time taken would tell it from what is hidden.
        """
        state = self._snapshot.state()
        if state is None or state != self._state:
            # It may be newer than `state`, never older: then it is looked at again before anything is believed.
            generation = self._pragma("user_version")
            if state is None or generation != self._generation:
                self._recalled.clear()
            self._state, self._generation = state, generation
        recalled = self._recalled.get((query, *args))
        if recalled is not None:
            return None if recalled is _NOTHING else recalled
        # It may see more than `state`, never less: then it is forgotten before it is believed again.
        found = await self.read(query, *args)
        if state is not None:
            weight = found.weight if found is not None else _NOTHING_BYTES + sum(map(len, args))
            self._recalled.put((query, *args), _NOTHING if found is None else found, weight)
        return found

    async def write(self, body: Callable[[Transaction], Awaitable[_T]], *, durable: bool = True) -> _T:
        """Queue a body for the writer and wait for its commit."""
        answer: asyncio.Future[_T] = self._loop.create_future()
        self._waiting.put(_Waiting(body, durable, answer))
        return await answer

    async def changed(self, timeout_s: float) -> None:
        """Return when any connection has committed something: SQLite counts it in memory that all processes share."""
        for _ in range(max(1, round(timeout_s / _LOOK_EVERY_S))):
            version = self._pragma("data_version")
            if version != self._seen:
                self._seen = version
                return
            await asyncio.sleep(_LOOK_EVERY_S)

    def _pragma(self, name: str) -> int:
        try:
            return int(self._reading.execute(f"PRAGMA {name}").fetchone()[0])
        except sqlite3.Error as error:
            raise DatabaseUnavailable from error

    def _write_groups(self) -> None:
        transaction = SqliteConnection(self._writer)
        while True:
            first = self._waiting.get()
            if first is None:
                return
            group = [first]
            ended = False
            while len(group) < _GROUP and not ended:
                try:
                    following = self._waiting.get_nowait()
                except queue.Empty:
                    break
                ended = following is None
                if following is not None:
                    group.append(following)
            results = self._commit(group, transaction)
            self._loop.call_soon_threadsafe(_answer, group, results)
            if ended:
                return

    def _commit(self, group: list[_Waiting], transaction: SqliteConnection) -> list[tuple[Any, BaseException | None]]:
        """Run the group in one transaction; when that fails as a whole, each gets the reason."""
        try:
            _await_turn(self._turn)
            try:
                results = self._transact(group, transaction)
            except sqlite3.OperationalError as error:
                code = _code(error)
                # A full disk is also an I/O error, where it is met in memory that processes share.
                if code not in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR) or not self._relieve(code == sqlite3.SQLITE_FULL):
                    raise
                results = self._transact(group, transaction)
            with suppress(sqlite3.Error, OSError):  # what is committed stays so
                self._after_commit()
        except BaseException as error:  # noqa: BLE001 - also what nobody thought of (no memory): this thread must go on
            return [(None, _reason(error, self._file))] * len(group)
        finally:
            with suppress(OSError):
                fcntl.flock(self._turn, fcntl.LOCK_UN)
        return results

    def _transact(self, group: list[_Waiting], transaction: SqliteConnection) -> list[tuple[Any, BaseException | None]]:
        level = "FULL" if any(waiting.durable for waiting in group) else "NORMAL"
        try:
            self._writer.execute(f"PRAGMA synchronous={level}")
            self._writer.execute("BEGIN IMMEDIATE")
            transaction.quiet = True
            results = [_run(self._writer, waiting.body, transaction) for waiting in group]
            if not transaction.quiet:
                raise_generation(self._writer)
            self._writer.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):  # there may be no transaction any more
                self._writer.execute("ROLLBACK")
            raise
        return results

    def _after_commit(self) -> None:
        """Leave to readers nothing to write, and keep the log short.

        The first reader of a commit notes in memory that processes share how far it reads. That memory is a file's: on a disk
        that hangs the event loop would hang with it. What a reader finds noted it does not note again.
        """
        self._writer.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchall()
        # SQLite begins the log anew when nobody reads in it at that moment: under many readers that may not come about for long.
        size = self._log_file.stat().st_size
        if size < _LOG_BYTES or time.monotonic() < self._checkpoint_after:
            return
        busy = 1
        self._writer.execute(f"PRAGMA busy_timeout={_CHECKPOINT_PATIENCE_MS}")
        try:
            busy = self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        finally:
            if busy:  # somebody reads for long, or there is no room: not each commit is to try in vain while the others wait
                self._checkpoint_after = time.monotonic() + _CHECKPOINT_PAUSE_S
            self._writer.execute(f"PRAGMA busy_timeout={round(_BUSY_TIMEOUT_S * 1000)}")


def raise_generation(connection: sqlite3.Connection) -> None:
    """Say that what was recalled may not hold any more, once the transaction is committed."""
    generation: int = connection.execute("PRAGMA user_version").fetchone()[0]
    connection.execute(f"PRAGMA user_version={(generation + 1) % _GENERATIONS}")


def _code(error: BaseException) -> int:
    """Return what SQLite said; 0 for an error that is not its own: Python raises some of the same class."""
    return getattr(error, "sqlite_errorcode", 0) & _PRIMARY


def _reason(error: BaseException, file: Path) -> DatabaseUnavailable:
    """Return what is the case when a transaction failed as a whole."""
    code = _code(error)
    reason: DatabaseUnavailable
    if code == sqlite3.SQLITE_FULL:
        reason = DatabaseFull()
    elif code == sqlite3.SQLITE_READONLY or (code == sqlite3.SQLITE_IOERR and _is_read_only(file.parent)):
        reason = DatabaseReadOnly()
    else:
        reason = DatabaseUnavailable()
    reason.__cause__ = error
    return reason


def _is_read_only(folder: Path) -> bool:
    """Tell whether a file system takes no writes, by trying: one that became so by an error of its disk does not say it."""
    try:
        os.close(os.open(folder, os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC, 0o600))
    except OSError as error:
        return error.errno == errno.EROFS
    return False


def _await_turn(lock: int) -> None:
    """Wait for the other processes' writers, as long as SQLite itself would: one of them may be frozen."""
    deadline = time.monotonic() + _BUSY_TIMEOUT_S
    pause_s = _SHORTEST_PAUSE_S
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise
            time.sleep(pause_s)
            pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)
        else:
            return


def _run(
    connection: sqlite3.Connection, body: Callable[[Transaction], Awaitable[Any]], transaction: SqliteConnection
) -> tuple[Any, BaseException | None]:
    """Drive one body to its end inside a savepoint; what it raises undoes only its own work."""
    connection.execute("SAVEPOINT body")
    steps = body(transaction).__await__()
    try:
        next(steps)
    except StopIteration as end:
        connection.execute("RELEASE body")
        return end.value, None
    except Exception as error:
        if isinstance(error, sqlite3.OperationalError) and _code(error):
            raise  # the disk or the file: SQLite may have undone the whole transaction already
        failure: Exception = error  # the caller's, who waits for it in another thread
    else:
        steps.close()
        failure = BodySuspended()
    connection.execute("ROLLBACK TO body")
    connection.execute("RELEASE body")
    return None, failure


def _answer(group: list[_Waiting], results: list[tuple[Any, BaseException | None]]) -> None:
    for waiting, (result, error) in zip(group, results, strict=True):
        if waiting.answer.cancelled():
            continue  # the client went away; what was committed stays
        if error is None:
            waiting.answer.set_result(result)
        else:
            waiting.answer.set_exception(error)


def connect(file: Path, *, read_only: bool = False, make: bool = True) -> sqlite3.Connection:
    """Open the file with the pragmas that every connection of ours has.

    Without `make` it must be there: where its disk is away, a process must not begin another one.
    """
    mode = "ro" if read_only else "rwc" if make else "rw"
    connection = sqlite3.connect(
        f"{file.resolve().as_uri()}?mode={mode}",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
        timeout=_BUSY_TIMEOUT_S,
        cached_statements=_STATEMENT_CACHE,
    )
    if not read_only:
        connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA foreign_keys=ON")
    connection.execute(f"PRAGMA cache_size=-{_CACHE_KIB}")
    connection.execute(f"PRAGMA journal_size_limit={_LOG_BYTES}")
    return connection
