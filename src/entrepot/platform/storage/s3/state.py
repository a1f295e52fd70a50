"""What a bucket must be told to continue an upload: kept as text in the upload's row, written with its offset.

The first parts of an upload lie in a multipart upload; what came behind them and is too small for a part lies in an object of its
own, a tail; there may be several. As long as there is no multipart upload they are all there is, and a single one becomes the
blob's object as it is.
"""

from typing import Final

import msgspec

from entrepot.platform.storage.driver import SizeMismatch


class Part(msgspec.Struct, frozen=True, array_like=True):
    """One part of the multipart upload: bytes, and the store's name for them, which is their MD5 sum if `is_md5`."""

    number: int
    size: int
    etag: str
    is_md5: bool = True


class Tail(msgspec.Struct, frozen=True, array_like=True):
    """An object with bytes that came behind the parts, and their SHA-256, which they must have when they are read again."""

    key: str
    size: int
    sha256: str


class State(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where an upload's bytes are; `key` is that of the object which the multipart upload becomes.

    `next` is the number of the part that is sent next: numbers need not follow each other.
    """

    key: str = ""
    upload: str = ""
    parts: tuple[Part, ...] = ()
    tails: tuple[Tail, ...] = ()
    next: int = 1

    @property
    def parts_size(self) -> int:
        """The bytes in parts."""
        return sum(part.size for part in self.parts)

    @property
    def size(self) -> int:
        """All bytes."""
        return self.parts_size + self.tails_size

    @property
    def tails_size(self) -> int:
        """The bytes behind the parts."""
        return sum(tail.size for tail in self.tails)


NOTHING: Final = State()
_encoder: Final = msgspec.json.Encoder()
_decoder: Final = msgspec.json.Decoder(State)


def written(state: State) -> str | None:
    """Write a state as text; None when nothing was stored."""
    return None if state == NOTHING else _encoder.encode(state).decode()


def read(text: str | None, received: int) -> State:
    """Read a state. Raises SizeMismatch where it cannot be read: it is of a store of another kind, or of a later release."""
    if not text:
        return NOTHING
    try:
        return _decoder.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise SizeMismatch(found=0, expected=received) from error
