"""The chain: each row's digest covers the row and the digest before it, so that whoever changes one must change all that follow.

    digest = SHA-256(digest of the row before, or 32 zero bytes || the row as a JSON array)

An address is covered by what is left of it after the cut (`network`) and by a mark, SHA-256(salt || address). The cut deletes
address and salt, and nothing that the chain covers; without the salt the mark tells nothing of the address.
"""

import hashlib
import os
from typing import Final

import msgspec

from entrepot.base.addresses import shortened
from entrepot.domain.audit.model import Event

START: Final = bytes(32)
_SALT_BYTES: Final = 16


class Marked(msgspec.Struct, frozen=True):
    """An address as it is stored."""

    address: str | None
    network: str
    salt: bytes | None
    mark: bytes


def marked(address: str) -> Marked:
    """Return an address with what the chain covers of it; '' is none."""
    if not address:
        return Marked(None, "", None, b"")
    salt = os.urandom(_SALT_BYTES)
    return Marked(address, shortened(address), salt, _mark(salt, address))


def linked(before: bytes, position: int, event: Event) -> bytes:
    """Return the digest of the row that stands at this position behind a row with the digest `before`."""
    covered = [
        position,
        event.happened_at,
        event.actor,
        event.credential,
        event.os_user,
        event.network,
        event.address_mark.hex(),
        event.act,
        event.namespace,
        event.target,
        event.outcome,
        event.details,
    ]
    return hashlib.sha256(before + msgspec.json.encode(covered)).digest()


def fits_its_mark(event: Event) -> bool:
    """Tell whether the address is the one that the chain covers, or was cut."""
    if event.address is None:
        return True
    salt = event.address_salt or b""
    return event.network == shortened(event.address) and event.address_mark == _mark(salt, event.address)


def _mark(salt: bytes, address: str) -> bytes:
    return hashlib.sha256(salt + address.encode()).digest()
