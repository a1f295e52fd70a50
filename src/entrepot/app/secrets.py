"""`entrepot secrets`: changing the master key, and looking which secrets are sealed with which."""

import asyncio
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Final, Literal

import msgspec

from entrepot.app.parts import key_file, opened
from entrepot.base.errors import EntrepotError
from entrepot.base.settings import Settings
from entrepot.domain.access.tables import METADATA as ACCESS
from entrepot.domain.accounts.tables import METADATA as ACCOUNTS
from entrepot.domain.audit.tables import METADATA as AUDIT
from entrepot.domain.catalogue.tables import METADATA as CATALOGUE
from entrepot.domain.plans.tables import METADATA as PLANS
from entrepot.domain.registry.tables import METADATA as REGISTRY
from entrepot.platform.db.database import Database
from entrepot.platform.db.sealed import SealedColumn, count_heads, seal_anew, sealed_columns
from entrepot.platform.jobs.tables import METADATA as JOBS
from entrepot.platform.secrets.envelope import HEAD_BYTES
from entrepot.platform.secrets.rotation import (
    KeyFile,
    changing,
    forget,
    put_first,
    put_new_first,
    put_new_last,
    restore,
    take_out,
)

# All tables of all features: their sealed columns are found by themselves (a test looks that none is left out here).
TABLES: Final = (ACCESS, ACCOUNTS, AUDIT, CATALOGUE, PLANS, REGISTRY, JOBS)
_SETTLED_S: Final = 2.0  # in which a process that sealed with the old key a moment ago has committed
_BAD_HEAD: Final = "no envelope"

Step = Literal["all", "stage", "finish"]


class Rotated(msgspec.Struct, frozen=True):
    """What was done: ids of keys, how many secrets were sealed anew, and what is said of those that could not be."""

    seals: str
    staged: str
    opens: list[str]
    removed: list[str]
    sealed_anew: int
    unreadable: list[str]


class InUse(msgspec.Struct, frozen=True):
    """A key, and how many secrets it sealed."""

    key: str
    secrets: int
    known: bool


def columns_of(tables: Iterable[object]) -> list[SealedColumn]:
    """Return the sealed columns of these tables."""
    return sealed_columns(tables, HEAD_BYTES)  # type: ignore[arg-type]


async def rotate(settings: Settings, step: Step, use: str = "", columns: Sequence[SealedColumn] | None = None) -> Rotated:
    """Change the master key, beside everything that runs; what was broken off is continued.

    `all` makes a new key and seals everything anew with it, or with the key `use` of the file. `stage` only adds a key, to be
    copied to other machines before it is used. `finish` takes out the keys that nothing needs any more.

    Raises:
        SecretKeyUnusable, KeyUnknown, and whatever `opened` raises
    """
    file = key_file(settings).resolve()  # where a link leads: replacing the link would change one machine only
    columns = columns_of(TABLES) if columns is None else columns
    async with opened(settings) as parts:
        with changing(file):
            keys, staged = KeyFile(file), ""
            if use:
                put_first(file, use)
            elif step == "stage":
                staged = put_new_last(file)
            elif step == "all" and not await _is_unfinished(parts.db, columns, keys):
                put_new_first(file)
            count, unreadable = (0, []) if step == "stage" else await _seal_all(parts.db, columns, keys)
            removed = await _take_out(parts.db, columns, keys) if step == "finish" else []
            seals, *opens = keys.ring().ids
            return Rotated(seals, staged, opens, removed, count, unreadable)


async def in_use(settings: Settings, columns: Sequence[SealedColumn] | None = None) -> list[InUse]:
    """Return all keys of the file, the one that seals first, then those that secrets need and the file lacks."""
    ring = KeyFile(key_file(settings)).ring()
    async with opened(settings) as parts:
        counts = await count_heads(parts.db, columns_of(TABLES) if columns is None else columns)
    known = [InUse(id_, counts.pop(head, 0), known=True) for head, id_ in ring.heads.items()]
    return known + [InUse(head[1:].hex() or _BAD_HEAD, count, known=False) for head, count in sorted(counts.items())]


async def _is_unfinished(db: Database, columns: Sequence[SealedColumn], keys: KeyFile) -> bool:
    """Tell whether a change was broken off: some secrets are not under the key that seals, and all can be."""
    ring = keys.ring()
    counts = await count_heads(db, columns)
    return any(head != ring.head and head in ring.heads for head in counts)


async def _seal_all(db: Database, columns: Sequence[SealedColumn], keys: KeyFile) -> tuple[int, list[str]]:
    ring, unreadable = keys.ring(), []

    def anew(old: bytes, purpose: str) -> bytes | None:
        try:
            return ring.seal(ring.open(old, purpose), purpose)
        except EntrepotError as error:
            unreadable.append(error.message)
            return None

    count = sum([await seal_anew(db, column, ring.head, anew) for column in columns])
    return count, unreadable


async def _take_out(db: Database, columns: Sequence[SealedColumn], keys: KeyFile) -> list[str]:
    """Take out the keys that sealed nothing that is there, and look again, since a process may just have used one."""
    file, ring = keys.file, keys.ring()
    needed = partial(count_heads, db, columns)
    used = await needed()
    unused = [id_ for head, id_ in ring.heads.items() if head != ring.head and head not in used]
    if not unused:
        return []
    take_out(file, unused)
    await asyncio.sleep(_SETTLED_S)
    used = await needed()
    if any(id_ in unused for head, id_ in ring.heads.items() if head in used):
        restore(file)
        return []
    forget(file)
    return unused
