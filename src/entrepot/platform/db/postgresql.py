"""PostgreSQL through asyncpg: a small pool for each process, writes retried when the database says that they should be.

Every call goes through the watch (`watch.py`), which knows when the server is away.
"""

import asyncio
import logging
import random
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

import asyncpg

from entrepot.base.databases import Where
from entrepot.platform.db.announcing import CHANNEL
from entrepot.platform.db.database import DatabaseUnavailable, Transaction, Weighed
from entrepot.platform.db.statements import ListStatement, Row, Statement, Value
from entrepot.platform.db.watch import Calling, Watch

_log: Final = logging.getLogger(__name__)
_P = ParamSpec("_P")
_T = TypeVar("_T")
_W = TypeVar("_W", bound=Weighed)
POOL_SIZE: Final = 8
_MOST_WRITES: Final = 5  # of the connections; writes wait for one another's rows, and pulls must not wait with them
_WRITE_PATIENCE_S: Final = 30.0
_CONNECT_TIMEOUT_S: Final = 5.0
_COMMAND_TIMEOUT_S: Final = 60.0
_LOOK_TIMEOUT_S: Final = 1.0  # of a look on a connection that is there already
_POOLED_PAUSE_S: Final = 0.5  # between two looks for what was announced
_TRIES: Final = 8
# The kernel ends a connection whose packets nobody acknowledges, be it used or idle: what is between may have forgotten it.
_SOCKET: Final = (
    (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 3000),  # milliseconds
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 10),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 3),
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
)
_STATEMENT_CACHE: Final = 100
_SETTINGS: Final = (
    # A node that is frozen in a transaction must not hold its rows for longer: ours wait for nothing but their statements.
    "idle_in_transaction_session_timeout TO '10s'",
    # What was asked on a connection that was given up is asked anew, and a server that is overloaded must not do both.
    "client_connection_check_interval TO '500ms'",
)
# A machine that is lost says nothing, and what its nodes held would be kept for it for two hours, until no connection is left for
# those that come in its place. Through a pooler it is the pooler's to notice.
_WITHOUT_POOLER: Final = (
    *_SETTINGS,
    "tcp_keepalives_idle TO 10",
    "tcp_keepalives_interval TO 3",
    "tcp_keepalives_count TO 3",
)
# Fails on a standby, which takes no writes, and answers what was true a moment ago. One message, which no pooler takes apart.
_IS_PRIMARY: Final = (
    "DO $$ BEGIN IF pg_is_in_recovery() THEN RAISE EXCEPTION 'it is a standby' USING ERRCODE = '25006'; END IF; END $$"
)
_NOT_DURABLE: Final = "synchronous_commit TO off"
_RETRY = (asyncpg.SerializationError, asyncpg.DeadlockDetectedError)
# The connection is gone, or none could be made; whether the server is gone too only a look tells.
_BROKEN = (
    OSError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # a connection that broke in the middle of another request's statement says so
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.IdleInTransactionSessionTimeoutError,  # this process was frozen
    DatabaseUnavailable,  # it refused to connect us
)
# The server is there, and does not do what it was asked.
_REFUSED = (
    asyncpg.InsufficientResourcesError,  # its disk is full, too
    asyncpg.PostgresSystemError,  # its disk gives errors
    asyncpg.OperatorInterventionError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.ReadOnlySQLTransactionError,  # another server has taken over, and this one takes no writes any more
)
# It answers, and lets nobody in any more, or not us: those that are connected go on.
_NOT_LET_IN = (
    asyncpg.TooManyConnectionsError,
    asyncpg.InvalidAuthorizationSpecificationError,  # a password that was changed, a rule of pg_hba.conf
    asyncpg.InsufficientPrivilegeError,
    asyncpg.ObjectNotInPrerequisiteStateError,  # ALLOW_CONNECTIONS false
)


class PostgresqlConnection:
    """Reader and transaction at once: the statements of one connection."""

    def __init__(self, connection: "asyncpg.pool.PoolConnectionProxy[Any]") -> None:
        self._connection = connection

    async def one(self, statement: Statement, **parameters: Value) -> Row | None:
        """Return the first row, or None."""
        form = statement.postgresql
        row: Row | None = await self._connection.fetchrow(form.sql, *form.values(parameters))
        return row

    async def all(self, statement: Statement, **parameters: Value) -> Sequence[Row]:
        """Return all rows."""
        form = statement.postgresql
        rows: Sequence[Row] = await self._connection.fetch(form.sql, *form.values(parameters))
        return rows

    async def all_of(self, statement: ListStatement, values: Sequence[Value], **parameters: Value) -> list[Row]:
        """Run a list statement in batches and return all rows."""
        found: list[Row] = []
        for form, listed in statement.batches(values):
            found.extend(await self.all(form, **listed, **parameters))
        return found

    async def run(self, statement: Statement, **parameters: Value) -> int:
        """Run a statement and return how many rows it changed."""
        form = statement.postgresql
        status = await self._connection.execute(form.sql, *form.values(parameters))
        return int(status.rpartition(" ")[2])

    async def many(self, statement: Statement, rows: Sequence[dict[str, Value]]) -> None:
        """Run a statement once for each row."""
        form = statement.postgresql
        await self._connection.executemany(form.sql, [form.values(row) for row in rows])


class PostgresqlDatabase:
    """A database on a PostgreSQL server of version 15 or newer."""

    def __init__(self, where: Where) -> None:
        self._url = where.url
        self._is_pooled = where.is_pooled
        # Through a pooler nothing outlives a transaction, so that each one has to say them; others know them from their start.
        self._of_each: tuple[str, ...] = _SETTINGS if where.is_pooled else ()
        self._listening: asyncpg.Connection[Any] | None = None
        self._announced = asyncio.Event()
        self._turns = asyncio.Semaphore(_MOST_WRITES)
        self._connections: set[asyncpg.Connection[Any]] = set()
        self._watch = Watch(self._look, self._drop)
        self._is_let_in = True

    async def open(self) -> None:
        """Connect once now, and more when there is more to do."""
        try:
            self._pool = await asyncpg.create_pool(
                self._url,
                connect=self._connected,
                min_size=0,
                max_size=POOL_SIZE,
                timeout=_CONNECT_TIMEOUT_S,
                command_timeout=_COMMAND_TIMEOUT_S,
                # Nothing of ours outlives its transaction, so the round trip that resets a session is not needed.
                reset=_keep,
                server_settings={"application_name": "entrepot"},  # a pooler refuses most others
                # A pooler gives the next transaction another connection, which does not know what was prepared on this one.
                statement_cache_size=0 if self._is_pooled else _STATEMENT_CACHE,
            )
            await self._pool.release(await self._pool.acquire())
        except DatabaseUnavailable:
            raise
        except (*_BROKEN, *_REFUSED) as error:
            raise DatabaseUnavailable from error
        self._watch.begin()

    async def close(self) -> None:
        """Wait for running transactions and disconnect."""
        await self._watch.end()
        if self._listening is not None:
            await self._listening.close()
        await self._pool.close()

    async def read(
        self, query: Callable[Concatenate[PostgresqlConnection, _P], Awaitable[_T]], *args: _P.args, **kwargs: _P.kwargs
    ) -> _T:
        """Run a query on a connection of the pool, and on another one if that broke and the server is there."""
        try:
            return await self._read(self._watch.calling(is_quick=True), query, *args, **kwargs)
        except _BROKEN as error:
            await self._settle(error)
        try:
            return await self._read(self._watch.calling(), query, *args, **kwargs)
        except _BROKEN as error:
            await self._settle(error)
            raise DatabaseUnavailable from error

    async def _read(
        self,
        calling: Calling,
        query: Callable[Concatenate[PostgresqlConnection, _P], Awaitable[_T]],
        *args: _P.args,
        **kwargs: _P.kwargs,
    ) -> _T:
        try:
            async with calling, self._pool.acquire(timeout=_CONNECT_TIMEOUT_S) as connection:
                calling.uses(connection)
                if not self._is_pooled:
                    return await query(PostgresqlConnection(connection), *args, **kwargs)
                # Outside a transaction the parts of one statement might reach different connections of the pooler's.
                async with _transaction(connection, *self._of_each):
                    return await query(PostgresqlConnection(connection), *args, **kwargs)
        except _REFUSED as error:
            raise DatabaseUnavailable from error

    async def _settle(self, error: Exception) -> None:
        """Return when the server answers, so that what broke may be tried again.

        Raises:
            DatabaseAway: it does not.
            DatabaseUnavailable: it does, and trying again would only take as long once more.
        """
        await self._watch.verdict()
        if isinstance(error, TimeoutError):
            raise DatabaseUnavailable from error

    async def recall(self, query: Callable[..., Awaitable[_W | None]], *args: str) -> _W | None:
        """Run the query: whether another node has written meanwhile only the server can tell."""
        return await self.read(query, *args)

    async def write(self, body: Callable[[Transaction], Awaitable[_T]], *, durable: bool = True) -> _T:
        """Run a body in a transaction, again when it lost against another one.

        It first waits for its turn, so that connections remain for reads however many writes wait for a row. That this takes
        long says nothing about the server: it is not counted as waiting for a connection.
        """
        try:
            async with asyncio.timeout(_WRITE_PATIENCE_S):
                await self._turns.acquire()
        except TimeoutError as error:
            raise DatabaseUnavailable from error
        try:
            return await self._write(body, durable=durable)
        finally:
            self._turns.release()

    async def _write(self, body: Callable[[Transaction], Awaitable[_T]], *, durable: bool) -> _T:
        settings = self._of_each if durable else (*self._of_each, _NOT_DURABLE)
        for attempt in range(_TRIES):
            began = False
            try:
                async with (
                    self._watch.calling(is_quick=True) as calling,
                    self._pool.acquire(timeout=_CONNECT_TIMEOUT_S) as connection,
                ):
                    calling.uses(connection)
                    async with _transaction(connection, *settings):
                        began = True
                        calling.may_wait()
                        return await body(PostgresqlConnection(connection))
            except _RETRY:
                await asyncio.sleep(random.uniform(0, 0.01 * 2**attempt))
            except _BROKEN as error:
                await self._settle(error)
                if began or attempt:  # it may be committed: only the client knows whether to try again
                    raise DatabaseUnavailable from error
            except _REFUSED as error:
                raise DatabaseUnavailable from error
        raise DatabaseUnavailable

    async def changed(self, timeout_s: float) -> None:
        """Return when an announcement came in, on a connection that does nothing but listen; a pooler gives none."""
        self._watch.require()
        if self._is_pooled:
            await asyncio.sleep(min(timeout_s, _POOLED_PAUSE_S))
            return
        try:
            if self._listening is None or self._listening.is_closed():
                await self._listen()
                return  # what was announced before is not known
        except (*_BROKEN, *_REFUSED) as error:
            raise DatabaseUnavailable from error
        # Not wait_for: Python 3.11's forgets that it was cancelled when an announcement comes in at that moment.
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._announced.wait()
        self._announced.clear()

    async def _listen(self) -> None:
        settings = {"application_name": "entrepot listener"}
        connection = await self._connected(self._url, timeout=_CONNECT_TIMEOUT_S, server_settings=settings)
        try:
            await connection.add_listener(CHANNEL, lambda *_: self._announced.set())
        except BaseException:
            connection.terminate()
            raise
        connection.add_termination_listener(lambda _: self._announced.set())
        self._listening = connection

    async def _look(self) -> None:
        """Get an answer from the server: on a connection that is free, and if none is or that one is dead, on a new one."""
        if self._pool.get_idle_size():
            with suppress(*_BROKEN, *_REFUSED):
                return await self._look_on_free()
        settings = {"application_name": "entrepot look"}
        try:
            connection = await asyncpg.connect(self._url, timeout=_CONNECT_TIMEOUT_S, server_settings=settings)
        except _NOT_LET_IN as error:
            if not self._connections - {self._listening}:
                raise
            if self._is_let_in:
                _log.warning("database_refuses", extra={"reason": f"{type(error).__name__}: {error}"})
            self._is_let_in = False
            return None
        self._is_let_in = True
        try:
            await connection.execute(_IS_PRIMARY)
        finally:
            connection.terminate()

    async def _look_on_free(self) -> None:
        connection = await self._pool.acquire(timeout=_LOOK_TIMEOUT_S)
        try:
            async with asyncio.timeout(_LOOK_TIMEOUT_S):
                await connection.execute(_IS_PRIMARY)
        except BaseException:
            connection.terminate()  # else giving it back would wait until the server has cancelled the statement
            raise
        finally:
            await self._pool.release(connection)

    def _drop(self, spared: Collection[Any]) -> None:
        """End all other connections here: what waits on one that is dead need not wait longer."""
        pids = set()
        for connection in spared:
            with suppress(asyncpg.InterfaceError):  # it was given back at this moment
                pids.add(connection.get_server_pid())
        for connection in list(self._connections):
            if connection.get_server_pid() not in pids:
                connection.terminate()

    async def _connected(self, *where: Any, **how: Any) -> "asyncpg.Connection[Any]":
        """Connect. Whatever the server says against it (the database was renamed, or is closed to us), it is unavailable."""
        try:
            connection: asyncpg.Connection[Any] = await asyncpg.connect(*where, **how)
            self._connections.add(connection)
            connection.add_termination_listener(lambda _: self._connections.discard(connection))
            try:
                _keep_alive(connection)
                of_all = () if self._is_pooled else (f"SET {each}" for each in _WITHOUT_POOLER)
                await connection.execute("; ".join((*of_all, _IS_PRIMARY)))
            except BaseException:
                connection.terminate()
                raise
        except asyncpg.PostgresError as error:
            raise DatabaseUnavailable from error
        return connection


@asynccontextmanager
async def _transaction(connection: Any, *settings: str) -> AsyncIterator[None]:
    """Begin a transaction that these settings hold for: at once, so that it is at no moment without them."""
    try:
        await connection.execute("; ".join(("BEGIN", *(f"SET LOCAL {each}" for each in settings))))
        yield
    except BaseException:
        with suppress(*_BROKEN):  # then the server ends it
            await connection.execute("ROLLBACK")
        raise
    await connection.execute("COMMIT")


def _keep_alive(connection: Any) -> None:
    connected = connection._transport.get_extra_info("socket")  # noqa: SLF001 - it gives out its socket nowhere else
    if connected.family in (socket.AF_INET, socket.AF_INET6):
        for level, name, value in _SOCKET:
            connected.setsockopt(level, name, value)


async def _keep(_connection: object) -> None:
    """Leave the session as it is."""
