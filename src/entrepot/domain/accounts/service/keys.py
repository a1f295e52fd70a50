"""The keys that sign what the hub issues: made when they are first needed, shared by all nodes, sealed at rest."""

import json
import time
from typing import Final

from entrepot.base.clock import seconds_us
from entrepot.domain.accounts.queries import keys
from entrepot.platform.db.database import Database, Transaction
from entrepot.platform.secrets.rotation import KeyFile
from entrepot.platform.secrets.signed import SigningKey, new_key

_SIGNS_FOR_US: Final = seconds_us(90 * 86_400)
_PROVES_FOR_US: Final = seconds_us(86_400)
_LOOKED_AGAIN_S: Final = 60.0
_MISSING_AGAIN_S: Final = 1.0  # a token that names a key of nobody's does not make us ask the database each time


class Keys:
    """The keys for one purpose, as this process knows them."""

    def __init__(self, db: Database, file: KeyFile, purpose: str) -> None:
        self._db = db
        self._file = file
        self._purpose = purpose
        self._known: dict[str, SigningKey] = {}
        self._newest: SigningKey | None = None
        self._looked = -_LOOKED_AGAIN_S

    async def newest(self) -> SigningKey:
        """Return the key that signs; make one when there is none."""
        if self._newest is None or time.monotonic() - self._looked > _LOOKED_AGAIN_S:
            await self._look()
        if self._newest is None:
            await self.add()
        if self._newest is None:
            raise AssertionError("a key that was stored is not there")
        return self._newest

    async def find(self, id_: str) -> SigningKey | None:
        """Return the key of that id: one that another node made a moment ago is looked for."""
        if id_ not in self._known and time.monotonic() - self._looked > _MISSING_AGAIN_S:
            await self._look()
        return self._known.get(id_)

    async def public(self) -> list[dict[str, str]]:
        """Return the public keys as JWKs, the one that signs first."""
        await self.newest()
        return [key.public for key in self._known.values()]

    async def add(self) -> SigningKey:
        """Make a key that signs from now on; those of before still prove what they signed."""
        pem = new_key()
        key = SigningKey(pem)
        sealed = self._file.ring().seal(pem, _purpose(key.id))

        async def store(tx: Transaction) -> None:
            await keys.add(tx, key.id, self._purpose, json.dumps(key.public), sealed)

        await self._db.write(store)
        await self._look()
        return key

    async def rotate(self) -> int:
        """Make a new key when the newest one is old, and a day later delete those of before; return how many keys changed.

        For tokens that hold for minutes: what is deleted has signed nothing that still holds.
        """
        age_us = await self._db.read(keys.age_of_newest, self._purpose)
        if age_us is None:
            return 0
        if age_us > _SIGNS_FOR_US:
            await self.add()
            return 1
        if age_us < _PROVES_FOR_US:
            return 0
        await self._look()
        newest = await self.newest()
        dropped = await self._db.write(lambda tx: keys.drop_others(tx, self._purpose, newest.id))
        await self._look()
        return dropped

    async def _look(self) -> None:
        found = await self._db.read(keys.of_purpose, self._purpose)
        ring = self._file.ring()
        known = {id_: self._known.get(id_) or SigningKey(ring.open(sealed, _purpose(id_))) for id_, sealed in found}
        self._known, self._looked = known, time.monotonic()
        self._newest = next(iter(known.values()), None)


def _purpose(id_: str) -> str:
    return f"signing key {id_}"
