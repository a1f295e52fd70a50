"""The envelope: version (1 byte), key id (8), nonce (12), then the secret under AES-256-GCM with its tag (16).

The key's id, being in the envelope, tells which key opens it, so that keys can be changed while secrets under the old one
are still there. What a secret is for is authenticated with it: moved to another row or column, it does not open.
"""

import hashlib
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from entrepot.base.errors import EntrepotError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES: Final = 32
_VERSION: Final = b"\x01"
_ID_BYTES: Final = 8
_NONCE_BYTES: Final = 12
_TAG_BYTES: Final = 16
HEAD_BYTES: Final = len(_VERSION) + _ID_BYTES
_ID_CONTEXT: Final = b"entrepot secret key id\0"


class SecretUnreadable(EntrepotError):
    """An envelope does not open: it was damaged, is for something else, or no envelope."""

    summary = "the secret of {purpose} cannot be read: its bytes were changed, or belong to something else"


class SecretKeyMissing(EntrepotError):
    """An envelope was sealed with a key that is not at hand."""

    summary = (
        "the secret of {purpose} was sealed with key {key}, which is not in the secret key file: add that key as a further line, "
        "or set the secret again"
    )


class KeyRing:
    """Seals with the first key and opens with any."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._keys = {key_id(key): key for key in keys}
        self._first = key_id(keys[0])

    @property
    def ids(self) -> list[str]:
        """The ids of all keys in hexadecimal, the one that seals first."""
        return [id_.hex() for id_ in self._keys]

    @property
    def heads(self) -> dict[bytes, str]:
        """The first bytes of all that each key sealed, with its id, in their order."""
        return {_VERSION + id_: id_.hex() for id_ in self._keys}

    @property
    def head(self) -> bytes:
        """The first bytes of all that is sealed now."""
        return _VERSION + self._first

    def seal(self, secret: bytes, purpose: str) -> bytes:
        """Return the secret's envelope; `purpose` says what it is for and where it lies (`webhook 17`), and is not secret."""
        nonce = os.urandom(_NONCE_BYTES)
        return self.head + nonce + _cipher(self._keys[self._first]).encrypt(nonce, secret, _bound(self.head, purpose))

    def open(self, sealed: bytes, purpose: str) -> bytes:
        """Return the secret of an envelope that was sealed for the same purpose.

        Raises:
            SecretKeyMissing, SecretUnreadable
        """
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - see _cipher

        head, nonce, rest = sealed[:HEAD_BYTES], sealed[HEAD_BYTES:][:_NONCE_BYTES], sealed[HEAD_BYTES + _NONCE_BYTES :]
        if head[:1] != _VERSION or len(rest) < _TAG_BYTES:
            raise SecretUnreadable(purpose=purpose)
        key = self._keys.get(head[1:])
        if key is None:
            raise SecretKeyMissing(purpose=purpose, key=head[1:].hex())
        try:
            return _cipher(key).decrypt(nonce, rest, _bound(head, purpose))
        except InvalidTag:
            raise SecretUnreadable(purpose=purpose) from None

    def is_current(self, sealed: bytes) -> bool:
        """Tell whether an envelope is under the key that seals now; one that is not should be sealed anew."""
        return sealed[:HEAD_BYTES] == self.head


def key_id(key: bytes) -> bytes:
    """Return a key's id, which tells nothing of the key."""
    return hashlib.sha256(_ID_CONTEXT + key).digest()[:_ID_BYTES]


def _bound(head: bytes, purpose: str) -> bytes:
    return head + purpose.encode()


def _cipher(key: bytes) -> "AESGCM":
    # Its library takes longer to import than a pull to be answered, and most processes never open a secret.
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415

    return AESGCM(key)
