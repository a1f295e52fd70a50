"""Tables of a feature that seals secrets, as no feature of this release does, and a process that changes the key under them."""

import asyncio
import sys
from pathlib import Path
from typing import Final

from sqlalchemy import LargeBinary, MetaData, Table, bindparam, select, update

from entrepot.app.parts import key_file
from entrepot.app.secrets import columns_of, rotate
from entrepot.base.settings import Settings
from entrepot.platform.db.columns import exact, key, sealed
from entrepot.platform.db.database import Database, Reader, Transaction
from entrepot.platform.db.statements import Statement
from entrepot.platform.secrets.envelope import SecretKeyMissing
from entrepot.platform.secrets.rotation import KeyFile
from support.history import rows

METADATA: Final = MetaData()
hook: Final = Table("test_hook", METADATA, key(), exact("url"), sealed("secret", "webhook"))
signer: Final = Table("test_signer", METADATA, exact("name", primary_key=True), sealed("seed", "signer", nullable=True))
COLUMNS: Final = columns_of([METADATA])
_ONE: Final = Statement(select(hook.c.secret).where(hook.c.id == bindparam("row")))
_SET: Final = Statement(update(hook).where(hook.c.id == bindparam("row")).values(secret=bindparam("secret", type_=LargeBinary)))


class Server:
    """What a running process does with the secrets of hooks: it has the file's keys, and reads them again when they change."""

    def __init__(self, db: Database, settings: Settings) -> None:
        self._db = db
        self._keys = KeyFile(key_file(settings))

    async def secret(self, row: int) -> bytes:
        """Open a secret; one that was sealed between two looks at the file asks for a second look."""
        try:
            return await self._open(row)
        except SecretKeyMissing:
            return await self._open(row)

    async def change(self, row: int, secret: bytes) -> None:
        """Seal another secret."""

        async def body(tx: Transaction) -> None:
            await tx.run(_SET, row=row, secret=self._keys.ring().seal(secret, f"webhook {row}"))

        await self._db.write(body)

    async def _open(self, row: int) -> bytes:
        async def sealed_one(db: Reader) -> bytes:
            found = await db.one(_ONE, row=row)
            assert found is not None
            return bytes(found[0])

        return self._keys.ring().open(await self._db.read(sealed_one), f"webhook {row}")


def fill(settings: Settings, hooks: int) -> dict[int, bytes]:
    """Seal a secret for each of so many hooks, with the key that seals now."""
    ring = KeyFile(key_file(settings)).ring()
    secrets = {number: f"secret {number}".encode() for number in range(1, hooks + 1)}
    for start in range(1, hooks + 1, 100):
        part = range(start, min(start + 100, hooks + 1))
        marks = ", ".join(f"(${2 * place + 1}, 'u', ${2 * place + 2})" for place in range(len(part)))
        values = [value for number in part for value in (number, ring.seal(secrets[number], f"webhook {number}"))]
        rows(settings, f"INSERT INTO test_hook (id, url, secret) VALUES {marks}", *values)  # noqa: S608 - numbers of our own
    return secrets


def opened(settings: Settings) -> dict[int, bytes]:
    """Open the secrets of all hooks with the keys of the file."""
    ring = KeyFile(key_file(settings)).ring()
    found = rows(settings, "SELECT id, secret FROM test_hook ORDER BY id")
    return {int(str(id_)): ring.open(bytes(secret), f"webhook {id_}") for id_, secret in found}  # type: ignore[call-overload]  # bytes


if __name__ == "__main__":  # a process of its own, which may be killed
    _data, _database, _step = sys.argv[1:]
    sys.stdout.write("begun\n")
    sys.stdout.flush()
    asyncio.run(rotate(Settings(data=str(Path(_data)), database=_database), _step, columns=COLUMNS))  # type: ignore[arg-type]
