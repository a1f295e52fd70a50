"""Anchors: the chain's head, signed with a key that is sealed under the master key, so that the database alone cannot make one.

Each names the one before it, so that none can be taken out of the middle.
"""

import logging
import time
from collections.abc import Mapping
from typing import Any, Final, Protocol

from entrepot.domain.audit.model import Anchor
from entrepot.domain.audit.queries import chain
from entrepot.platform.db.database import Database, Transaction
from entrepot.platform.secrets.signed import SignatureRefused, SigningKey, key_of, verified

_log: Final = logging.getLogger(__name__)
PURPOSE: Final = "audit anchors"
_AUDIENCE: Final = "entrepot audit"
_ANCHOR: Final = "entrepot-audit-anchor+jwt"
_FLOOR: Final = "entrepot-audit-floor+jwt"


class SigningKeys(Protocol):
    """The keys that anchors are signed with."""

    async def newest(self) -> SigningKey:
        """Return the key that signs."""

    async def find(self, id_: str) -> SigningKey | None:
        """Return the key of that id."""


class Anchors:
    """Makes and proves them."""

    def __init__(self, db: Database, keys: SigningKeys) -> None:
        self._db = db
        self._keys = keys

    async def make(self) -> bool:
        """Sign the chain's head, unless that was done already; tell whether there is a new anchor."""
        head, last = await self._db.read(chain.head), await self._db.read(chain.last_anchor)
        before = last.position if last else 0
        if head is None or head.position <= before:
            return False
        token = await self._signed(_ANCHOR, {"position": head.position, "digest": head.digest.hex(), "previous": before})

        async def store(tx: Transaction) -> bool:
            newest = await chain.last_anchor(tx)
            if (newest.position if newest else 0) != before:
                return False  # another process has made one
            return await chain.add_anchor(tx, head.position, head.digest, token)

        made = await self._db.write(store)
        if made:
            # Whoever keeps the log elsewhere has something to compare the chain with that nobody can change here.
            _log.info("audit_anchored", extra={"position": head.position, "digest": head.digest.hex()})
        return made

    async def statement_of_floor(self, anchor: Anchor) -> str:
        """Sign that the rows up to an anchor's were pruned."""
        return await self._signed(_FLOOR, {"position": anchor.position, "digest": anchor.digest.hex()})

    async def previous(self, anchor: Anchor) -> int | None:
        """Return the position of the anchor before; None when this one is not signed by us, or says something else."""
        claims = await self._claims(_ANCHOR, anchor.token)
        if claims is None or (claims["position"], claims["digest"]) != (anchor.position, anchor.digest.hex()):
            return None
        return int(claims["previous"])

    async def is_floor(self, anchor: Anchor) -> bool:
        """Tell whether it is signed that the rows up to this anchor's were pruned."""
        claims = await self._claims(_FLOOR, anchor.floor or "")
        return claims is not None and (claims["position"], claims["digest"]) == (anchor.position, anchor.digest.hex())

    async def _signed(self, kind: str, claims: Mapping[str, Any]) -> str:
        key = await self._keys.newest()
        return key.sign({"iss": "entrepot", "sub": "audit", "aud": _AUDIENCE, "iat": int(time.time()), **claims}, kind)

    async def _claims(self, kind: str, token: str) -> dict[str, Any] | None:
        key = await self._keys.find(key_of(token))
        if key is None:
            return None
        try:
            return verified(token, key.public, kind, _AUDIENCE, lasting=True)
        except SignatureRefused:
            return None
