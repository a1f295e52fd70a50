"""How often somebody may fail to sign in, counted in the database so that many processes are no more tries.

Three counts run for a quarter of an hour each: of a name from one network, which is who mistypes; of a network, which is who
tries names; and of a name from everywhere, which is who has many machines. Names that nobody has are counted like others, so
that a refusal does not tell them apart.

A name is whatever somebody typed: so each subject that is counted is written in a form that no name can imitate, and what is
counted for one purpose is not counted for another.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import msgspec

from entrepot.domain.accounts.errors import TooManySignIns
from entrepot.domain.accounts.queries import failures
from entrepot.platform.db.database import Database, Transaction

WINDOW_US: Final = 15 * 60 * 1_000_000
_PAIR: Final = 10
_NETWORK: Final = 50
_NAME: Final = 100  # NIST SP 800-63B, 3.2.2: no more than 100 failures in a row


class Throttle:
    """Refuses before anything slow is done; `purpose` is what fails, `per_name` how often a name may from everywhere."""

    def __init__(self, db: Database, purpose: str, per_name: int = _NAME) -> None:
        self._db = db
        self._purpose = purpose
        self._per_name = per_name

    async def require(self, name: str, network: str) -> None:
        """Do nothing while there were few failures. Raises TooManySignIns."""
        limits = self._limits(name, network)
        _require(await self._db.read(failures.counts, list(limits), WINDOW_US), {key: most - 1 for key, most in limits.items()})

    async def attempt(
        self,
        name: str,
        network: str,
        take: Callable[[Transaction], Awaitable[bool]],
        failed: Callable[[Transaction], Awaitable[None]],
    ) -> bool:
        """Count a try and make it in one transaction: of many at the same time no more are made than one after another.

        `take` tells whether it succeeded, and then nothing is counted; else `failed` is done too. Raises TooManySignIns.
        """
        limits = self._limits(name, network)

        async def make(tx: Transaction) -> bool:
            for subject in sorted(limits):  # in one order, as in `failed`; whoever tries at the same time waits here
                await failures.add(tx, subject, WINDOW_US)
            _require(await failures.counts(tx, list(limits), WINDOW_US), limits)
            if not await take(tx):
                await failed(tx)
                return False
            for subject in limits:
                await failures.take_back(tx, subject)
            await failures.forget(tx, self._pair(name[:256], network))
            return True

        return await self._db.write(make)

    async def failed(self, name: str, network: str, also: Callable[[Transaction], Awaitable[None]] | None = None) -> None:
        """Count a failure, and do what else belongs to it; raises TooManySignIns when it was one too many.

        So whoever sends many tries at once hears after the last that counts what a right one hears too (`require` behind it).
        """
        limits = self._limits(name, network)

        async def count(tx: Transaction) -> Mapping[str, tuple[int, int]]:
            for subject in sorted(limits):  # in one order, so that nobody waits for one another for ever
                await failures.add(tx, subject, WINDOW_US)
            if also is not None:
                await also(tx)
            return await failures.counts(tx, list(limits), WINDOW_US)

        _require(await self._db.write(count, durable=False), limits)

    async def succeeded(self, name: str, network: str) -> None:
        """Forget the failures of this name from this network: whoever has a password may try others' no more often for it."""
        pair = self._pair(name[:256], network)
        if await self._db.read(failures.counts, [pair], WINDOW_US):
            await self._db.write(lambda tx: failures.forget(tx, pair), durable=False)

    async def prune(self) -> int:
        """Delete what no window counts any more."""
        return await self._db.write(lambda tx: failures.prune(tx, WINDOW_US), durable=False)

    def _limits(self, name: str, network: str) -> Mapping[str, int]:
        name = name[:256]
        return {
            self._pair(name, network): min(_PAIR, self._per_name),
            self._subject("network", network): _NETWORK,
            self._subject("name", name): self._per_name,
        }

    def _pair(self, name: str, network: str) -> str:
        return self._subject("pair", name, network)

    def _subject(self, *parts: str) -> str:
        return msgspec.json.encode((self._purpose, *parts)).decode()


def _require(found: Mapping[str, tuple[int, int]], limits: Mapping[str, int]) -> None:
    """Do nothing while nobody has failed more often than that. Raises TooManySignIns."""
    left_us = max((left for subject, (count, left) in found.items() if count > limits[subject]), default=0)
    if left_us > 0:
        raise TooManySignIns(left_us // 1_000_000 + 1)
