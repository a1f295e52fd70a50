"""Digests that can be continued in another process: OpenSSL's own SHA-256 and SHA-512 with a state that can be saved.

hashlib cannot save a running hash. The interpreter's `_hashlib` is linked with libcrypto, whose SHA256_CTX and SHA512_CTX
are plain memory; their layout is checked against hashlib when this module is loaded. Where the symbols are missing, or the
check fails, hashlib is used, `state` is None, and the bytes of a continued upload are read again at its end.
"""

import ctypes
import hashlib
from typing import Final, Protocol


class RunningHash(Protocol):
    """A digest over bytes that are still coming."""

    algorithm: str

    def update(self, data: bytes | memoryview) -> None:
        """Add bytes; releases the interpreter lock. A memoryview is one of writable memory."""

    def hexdigest(self) -> str:
        """Return the digest of all bytes so far, in lower-case hexadecimal."""

    def state(self) -> bytes | None:
        """Return what another process needs to continue, or None when this hash cannot be continued."""

    def resume(self, state: bytes) -> None:
        """Go on from where another process came with a state of this hash; only where `state` returns one."""


class _Sha256Context(ctypes.Structure):
    """SHA256_CTX of openssl/sha.h: 112 bytes."""

    _fields_ = (
        ("h", ctypes.c_uint32 * 8),
        ("bits", ctypes.c_uint32 * 2),
        ("block", ctypes.c_uint32 * 16),
        ("ends", ctypes.c_uint * 2),
    )


class _Sha512Context(ctypes.Structure):
    """SHA512_CTX of openssl/sha.h: 216 bytes."""

    _fields_ = (
        ("h", ctypes.c_uint64 * 8),
        ("bits", ctypes.c_uint64 * 2),
        ("block", ctypes.c_uint64 * 16),
        ("ends", ctypes.c_uint * 2),
    )


_CONTEXTS: Final[dict[str, type[ctypes.Structure]]] = {"sha256": _Sha256Context, "sha512": _Sha512Context}


def _library() -> ctypes.CDLL | None:
    try:
        import _hashlib  # noqa: PLC0415 - some builds of Python have none

        library = ctypes.CDLL(_hashlib.__file__)
        for name in ("SHA256", "SHA512"):
            getattr(library, f"{name}_Init").argtypes = [ctypes.c_void_p]
            getattr(library, f"{name}_Update").argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t]
            getattr(library, f"{name}_Final").argtypes = [ctypes.c_char_p, ctypes.c_void_p]
    except (ImportError, OSError, AttributeError):
        return None
    return library


class _Libcrypto:
    """A hash whose state is libcrypto's own memory."""

    def __init__(self, library: ctypes.CDLL, algorithm: str, state: bytes | None = None) -> None:
        self.algorithm = algorithm
        self._context = _CONTEXTS[algorithm]()
        self._address = ctypes.addressof(self._context)
        name = algorithm.upper()
        self._update = getattr(library, f"{name}_Update")
        self._final = getattr(library, f"{name}_Final")
        if state is None:
            getattr(library, f"{name}_Init")(self._address)
        else:
            ctypes.memmove(self._address, state, ctypes.sizeof(self._context))

    def update(self, data: bytes | memoryview) -> None:
        size = len(data)
        there = (ctypes.c_char * size).from_buffer(data) if isinstance(data, memoryview) else data
        self._update(self._address, there, size)

    def hexdigest(self) -> str:
        copy = type(self._context).from_buffer_copy(self._context)
        out = ctypes.create_string_buffer(hashlib.new(self.algorithm).digest_size)
        self._final(out, ctypes.addressof(copy))
        return out.raw.hex()

    def state(self) -> bytes | None:
        return bytes(self._context)

    def resume(self, state: bytes) -> None:
        if len(state) != ctypes.sizeof(self._context):
            raise ValueError("no state of this hash")
        ctypes.memmove(self._address, state, len(state))


class _Hashlib:
    """The fallback: a hash that cannot be continued elsewhere."""

    def __init__(self, algorithm: str) -> None:
        self.algorithm = algorithm
        self._hash = hashlib.new(algorithm)

    def update(self, data: bytes | memoryview) -> None:
        self._hash.update(data)

    def hexdigest(self) -> str:
        return self._hash.hexdigest()

    def state(self) -> bytes | None:
        return None

    def resume(self, state: bytes) -> None:
        raise ValueError(f"no hash of hashlib can go on from {len(state)} bytes of state: it cannot be continued")


def _checked(library: ctypes.CDLL | None) -> ctypes.CDLL | None:
    """Return the library when its hashes and their saved states agree with hashlib, else None."""
    sample = bytes(range(256)) * 5
    for algorithm in _CONTEXTS:
        if library is None:
            return None
        begun = _Libcrypto(library, algorithm)
        begun.update(sample[:777])
        continued = _Libcrypto(library, algorithm, begun.state())
        continued.update(sample[777:])
        if continued.hexdigest() != hashlib.new(algorithm, sample).hexdigest():
            return None
    return library


_LIBRARY: Final = _checked(_library())


def new_hash(algorithm: str) -> RunningHash:
    """Begin a digest; `algorithm` is sha256 or sha512."""
    return _Hashlib(algorithm) if _LIBRARY is None else _Libcrypto(_LIBRARY, algorithm)


def continued_hash(algorithm: str, state: bytes) -> RunningHash | None:
    """Continue a digest from a saved state; None when this machine cannot, so that the bytes must be read again."""
    if _LIBRARY is None or len(state) != ctypes.sizeof(_CONTEXTS[algorithm]):
        return None
    return _Libcrypto(_LIBRARY, algorithm, state)
