"""What processes remember of the database: never what another one answered 404 for since, and nothing that is damaged."""

import asyncio
import sqlite3
import time
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest

from entrepot.domain.access.service.rule import OpenRule
from entrepot.domain.registry.model import Link, StoredManifest
from entrepot.domain.registry.service.served import KEPT_BYTES, KEPT_S, Served
from entrepot.platform.db.database import DatabaseAway
from entrepot.platform.db.recent import Recent
from entrepot.spec.oci.digest import Digest

WRITTEN_S: Final = 0.8
CONTENT: Final = b"{}"
DIGEST: Final = str(Digest.of(CONTENT))
MANIFEST: Final = StoredManifest(DIGEST, "application/json", len(CONTENT), CONTENT)
LINK: Final = Link(1, 3, "blobs/x")


class Answering:
    """A database that is away, or that answers what it is told to: which moment is which no real one lets us choose."""

    def __init__(self, value: Any) -> None:
        self.value = value

    async def recall(self, _query: Callable[..., Awaitable[Any]], *_args: str) -> Any:
        if isinstance(self.value, DatabaseAway):
            raise self.value
        return self.value


class Worker(Served):
    """One of several processes of a machine."""

    def __init__(self, db: Answering, folder: Path) -> None:
        super().__init__(db, Recent(folder, keep_s=KEPT_S, limit_bytes=KEPT_BYTES), OpenRule())  # type: ignore[arg-type]  # as much of it as is asked

    async def ask(self, kind: type[Any]) -> Any:
        return await self.recall(kind, _nothing, "a/b", DIGEST)


async def _nothing(*_: Any) -> Any:
    return None


@pytest.mark.parametrize("value", [LINK, MANIFEST])
def test_what_any_process_answered_404_for_none_serves_from_memory(tmp_path: Path, value: Link | StoredManifest) -> None:
    async def scenario() -> None:
        db = Answering(value)
        with closing(Worker(db, tmp_path / "recent")) as one, closing(Worker(db, tmp_path / "recent")) as other:
            assert await one.ask(type(value)) == value
            time.sleep(WRITTEN_S)  # noqa: ASYNC251 - nothing else is to run
            db.value = None  # it is deleted through another node
            assert await other.ask(type(value)) is None
            time.sleep(WRITTEN_S)  # noqa: ASYNC251 - see above
            db.value = DatabaseAway(1.0)
            for each in (one, other):
                with pytest.raises(DatabaseAway):
                    await each.ask(type(value))

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("kind", "note"),
    [
        (Link, b""),
        (Link, b"\xc1"),
        (Link, msgspec.msgpack.encode([1])),
        (Link, msgspec.msgpack.encode({"blob": 1, "size": "3", "storage_key": "blobs/x"})),
        (Link, msgspec.msgpack.encode(Link(1, -3, "blobs/x"))),
        (Link, b"\x91" * 5000),
        (StoredManifest, msgspec.msgpack.encode(msgspec.structs.replace(MANIFEST, content=b"[]"))),
        (StoredManifest, msgspec.msgpack.encode(msgspec.structs.replace(MANIFEST, size=3))),
        (StoredManifest, msgspec.msgpack.encode(msgspec.structs.replace(MANIFEST, digest="none"))),
    ],
)
def test_a_note_that_is_damaged_is_as_none(tmp_path: Path, kind: type[Any], note: bytes) -> None:
    async def scenario() -> None:
        db = Answering(LINK if kind is Link else MANIFEST)
        with closing(Worker(db, tmp_path / "recent")) as worker:
            found = await worker.ask(kind)
            time.sleep(WRITTEN_S)  # noqa: ASYNC251 - nothing else is to run
            db.value = DatabaseAway(1.0)
            assert await worker.ask(kind) == found
            with closing(sqlite3.connect(tmp_path / "recent" / "notes.db")) as connection, connection:
                connection.execute("UPDATE note SET value = ?", (note,))
            with pytest.raises(DatabaseAway):
                await worker.ask(kind)

    asyncio.run(scenario())
