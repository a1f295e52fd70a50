"""Hashing passwords with argon2id, at most two at a time in a process: each takes 19 MiB and 30 ms of a processor.

Those parameters are the least that OWASP names (t=2, 19 MiB, p=1). A text of other parameters is still verified, and told to be
hashed anew.
"""

import asyncio
import functools
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final, TypeVar

from entrepot.base.errors import Unavailable

if TYPE_CHECKING:
    from argon2 import PasswordHasher

_AT_ONCE: Final = 2
_MOST_WAITING: Final = 64
_PASSES: Final = 2
_MEMORY_KIB: Final = 19 * 1024
_T = TypeVar("_T")


class Passwords:
    """Hashes and verifies; used by one event loop."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="passwords")
        self._running = 0

    async def hash(self, password: str) -> str:
        """Return what is stored of a password. Raises Unavailable when too many are waiting."""
        return await self._run(lambda: _hasher().hash(password))

    async def verify(self, stored: str | None, password: str) -> bool:
        """Tell whether the password is the one; without a stored one it takes as long, and is not. Raises Unavailable."""
        return await self._run(lambda: _verified(stored or _nobodys(), password)) and stored is not None

    def is_current(self, stored: str) -> bool:
        """Tell whether a stored text has today's parameters."""
        return not _hasher().check_needs_rehash(stored)

    async def _run(self, work: Callable[[], _T]) -> _T:
        if self._running >= _MOST_WAITING:
            raise Unavailable("signing in", retry_after_s=2)
        self._running += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._running -= 1

    def close(self) -> None:
        """Take no more work."""
        self._threads.shutdown(wait=False, cancel_futures=True)


@functools.cache
def _hasher() -> "PasswordHasher":
    # Imported when the first password comes: no pull needs it.
    from argon2 import PasswordHasher  # noqa: PLC0415

    return PasswordHasher(time_cost=_PASSES, memory_cost=_MEMORY_KIB, parallelism=1)


@functools.cache
def _nobodys() -> str:
    return _hasher().hash(os.urandom(16).hex())


def _verified(stored: str, password: str) -> bool:
    from argon2.exceptions import InvalidHashError, VerificationError  # noqa: PLC0415

    try:
        return _hasher().verify(stored, password)
    except (VerificationError, InvalidHashError):
        return False
