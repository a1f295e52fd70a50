"""What may still be served while the database is away: what does not change, and was served here a moment ago to anybody.

A manifest under its digest never changes, and a blob's place only when it was lost there; they can only go. So when the
database was found away, those that this machine found there in the last ten minutes are given from its memory, for a minute:
for longer too much may have been deleted elsewhere. Tags move, and are never answered from memory. What is deleted here is
forgotten here, at once, and so is what was not found any more. The memory lies in a file that may be damaged or another
release's: what it says is checked.
"""

import asyncio
import zlib
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import msgspec

from entrepot.domain.access.service.rule import Rule
from entrepot.domain.registry.model import Link, StoredManifest
from entrepot.platform.db.database import Database, DatabaseAway
from entrepot.platform.db.recent import Note, Recent, now
from entrepot.spec.oci.digest import Digest

SERVED_AWAY_S: Final = 60.0
KEPT_S: Final = 660.0  # ten minutes, and as long as a note is not made again
KEPT_BYTES: Final = 32 << 20
_NOTED_AGAIN_S: Final = 60.0
_MOST_NOTED: Final = 20_000
_T = TypeVar("_T", StoredManifest, Link)
# Another release may have other fields, and reads no note of ours.
_FORMS: Final[dict[type, str]] = {
    kind: f"{kind.__name__}.{zlib.crc32(str([(field.name, field.type) for field in msgspec.structs.fields(kind)]).encode()):08x}"
    for kind in (StoredManifest, Link)
}


def is_serving(away: DatabaseAway) -> bool:
    """Tell whether pulls go on from memory."""
    return away.for_s <= SERVED_AWAY_S


class Served:
    """Asks the database, and remembers what it answered for when it is away. `recent` is what the machine's processes share."""

    def __init__(self, db: Database, recent: Recent, rule: Rule) -> None:
        self._db = db
        self._recent = recent
        self._rule = rule
        self._noted: dict[tuple[type, str, str], float] = {}

    async def recall(self, kind: type[_T], query: Callable[..., Awaitable[_T | None]], name: str, digest: str) -> _T | None:
        """Return what the query finds, and if the database is away, what it found lately.

        Raises:
            DatabaseUnavailable
        """
        key = (kind, name, digest)
        began = now()
        try:
            found = await self._db.recall(query, name, digest)
        except DatabaseAway as away:
            if not is_serving(away):
                raise
            value = await asyncio.to_thread(self._recent.find, _text(key))
            remembered = None if value is None else _read(kind, value, digest)
            if remembered is None:
                raise
            return remembered
        if found is None:
            if key in self._noted:
                await self.forget(kind, name, digest)
            else:  # another process may have noted it, which need not be waited for
                self._recent.note(Note(_text(key), now(), None))
        elif began - self._noted.get(key, -_NOTED_AGAIN_S) >= _NOTED_AGAIN_S:
            self._note(key, began, found)
        return found

    async def forget(self, kind: type[StoredManifest | Link], name: str, digest: str) -> None:
        """Forget what was found: it is deleted, or may be."""
        key = (kind, name, digest)
        self._noted.pop(key, None)
        await asyncio.to_thread(self._recent.forget, _text(key))

    def close(self) -> None:
        """Write down what is not yet, for the other processes."""
        self._recent.close()

    def _note(self, key: tuple[type, str, str], began: float, found: StoredManifest | Link) -> None:
        if not self._rule.lets_anyone_pull(found.facts):
            return  # whether somebody else may have it nobody could tell without the database
        if len(self._noted) >= _MOST_NOTED:
            self._noted.clear()
        self._noted[key] = began
        self._recent.note(Note(_text(key), began, msgspec.msgpack.encode(found)))


def _text(key: tuple[type, str, str]) -> str:
    kind, name, digest = key
    return f"{_FORMS[kind]} {name}@{digest}"


def _read(kind: type[_T], value: bytes, digest: str) -> _T | None:
    try:
        found = msgspec.msgpack.decode(value, type=kind)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None
    if isinstance(found, StoredManifest):
        wanted = Digest.parse(digest)
        is_whole = (
            found.digest == digest and found.size == len(found.content) and Digest.of(found.content, wanted.algorithm) == wanted
        )
        return found if is_whole else None
    return found if found.size >= 0 else None
