"""The mode of the registry: who changes it, and what keeps clients from changing anything while it is read-only."""

from collections.abc import Awaitable, Callable
from typing import Concatenate, ParamSpec, TypeVar

from entrepot.domain.access import queries
from entrepot.domain.access.errors import RegistryReadOnly
from entrepot.domain.access.model import Mode
from entrepot.domain.audit.model import HUB, Act, Author, Deed
from entrepot.domain.audit.service.recording import record
from entrepot.platform.db.database import Database, Reader, Transaction, Weighed

_P = ParamSpec("_P")
_T = TypeVar("_T")
_W = TypeVar("_W", bound=Weighed)


class Modes:
    """The mode, which all nodes on one database share."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def current(self) -> Mode:
        """Return the mode in force."""
        return await self._db.read(queries.current)

    async def change(self, *, read_only: bool, reason: str = "", by: Author = HUB) -> Mode:
        """Change the mode: when this returns, no transaction of a client that began under the one of before commits any more."""

        async def change(tx: Transaction) -> Mode:
            mode = await queries.change(tx, is_read_only=read_only, reason=reason)
            details = {"mode": "read-only", "reason": reason} if read_only else {"mode": "normal"}
            await record(tx, by, Deed(Act.MODE_CHANGE, "", "", details))
            return mode

        return await self._db.write(change)


async def pauses_jobs(db: Reader) -> bool:
    """Tell whether background jobs are to wait: the collector, and all that may change something.

    Asked in a transaction, the answer no holds until that ends: a change of the mode waits for it.
    """
    return await queries.read_only(db) is not None


async def is_settled(tx: Transaction, within_us: int) -> bool:
    """Tell whether anything may be changed, and could be for `within_us` microseconds."""
    return await queries.read_only(tx) is None and not await queries.changed_within(tx, within_us)


class Guarded:
    """The database for what clients change: each transaction first sees whether anything may be changed.

    It is the whole database that is guarded, and not one use case after another, so that none can be forgotten.
    """

    def __init__(self, db: Database) -> None:
        self._db = db

    async def read(self, query: Callable[Concatenate[Reader, _P], Awaitable[_T]], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Pass it on."""
        return await self._db.read(query, *args, **kwargs)

    async def recall(self, query: Callable[..., Awaitable[_W | None]], *args: str) -> _W | None:
        """Pass it on."""
        return await self._db.recall(query, *args)

    async def write(self, body: Callable[[Transaction], Awaitable[_T]], *, durable: bool = True) -> _T:
        """Run a body unless the registry is read-only.

        Raises:
            RegistryReadOnly
        """

        async def guarded(tx: Transaction) -> _T:
            found = await queries.read_only(tx)
            if found is not None:
                raise RegistryReadOnly(found.reason)
            return await body(tx)

        return await self._db.write(guarded, durable=durable)

    async def changed(self, timeout_s: float) -> None:
        """Pass it on."""
        await self._db.changed(timeout_s)

    async def open(self) -> None:
        """Pass it on."""
        await self._db.open()

    async def close(self) -> None:
        """Pass it on."""
        await self._db.close()
