"""Second factors: codes of an app (TOTP), each of which works once, and ten recovery codes for when the app is lost.

Turning one on or off ends all that its owner is signed in with but tokens: a password that was enough is not any more. While one
is on, clients of the registry are not let in by the password (`Identity.basic`), because they cannot ask for a code.
"""

import hashlib
import secrets
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

import msgspec

from entrepot.base.addresses import network_of
from entrepot.domain.accounts.errors import CodeRefused, SecondFactorMissing, SecondFactorThere
from entrepot.domain.accounts.model import Account
from entrepot.domain.accounts.queries import accounts, factors, sessions
from entrepot.domain.accounts.service.throttle import Throttle
from entrepot.domain.audit.model import ANYONE, HUB, Act, Author, Deed, Origin, Outcome, done
from entrepot.domain.audit.service.acting import Acting
from entrepot.domain.audit.service.recording import record
from entrepot.platform.db.database import Database, Transaction
from entrepot.platform.secrets.rotation import KeyFile
from entrepot.spec.otp import totp

RECOVERY_CODES: Final = 10
_ISSUER: Final = "Entrepot"
_LETTERS: Final = "abcdefghijkmnpqrstuvwxyz23456789"  # none that looks like another
_LONG: Final = 16  # 80 bits
_GROUP: Final = 4
_MOST_FAILURES: Final = 20  # of an account, from everywhere: a code has six digits, and three hold at a time
_SECOND_US: Final = 1_000_000


class Enrolment(msgspec.Struct, frozen=True):
    """What an app is told: the secret as it is typed, and the address that a QR code holds."""

    secret: str
    address: str


class FactorState(msgspec.Struct, frozen=True):
    """Since when a second factor is on (microseconds since 1970 UTC; None: it is not), and how many recovery codes are left."""

    since: int | None
    recovery_codes: int


class SecondFactors(Acting):
    """The second factors of all users."""

    def __init__(self, db: Database, file: KeyFile, by: Author = HUB) -> None:
        super().__init__(by)
        self._db = db
        self._file = file
        self._throttle = Throttle(db, "code", _MOST_FAILURES)

    async def state(self, account: Account) -> FactorState:
        """Return whether a user has one."""
        found = await self._db.read(factors.of_account, account.id)
        return FactorState(found[1] if found else None, await self._db.read(factors.codes_left, account.id))

    async def begin(self, account: Account) -> Enrolment:
        """Draw a secret, which is in force when `confirm` has been given one of its codes. Raises SecondFactorThere."""
        secret = totp.new_secret()
        sealed = self._file.ring().seal(secret, _purpose(account.id))
        if not await self._db.write(lambda tx: factors.begin(tx, account.id, sealed)):
            raise SecondFactorThere(name=account.name)
        return Enrolment(totp.written(secret), totp.address(secret, _ISSUER, account.name))

    async def confirm(self, account: Account, code: str, client: str) -> list[str]:
        """Turn the second factor on that was begun; return the recovery codes, which are never shown again.

        Raises:
            CodeRefused, SecondFactorMissing, SecondFactorThere, TooManySignIns
        """
        if account.second_factor_at is not None:
            raise SecondFactorThere(name=account.name)
        codes = _new_codes()

        async def turn_on(tx: Transaction, step: int | None) -> bool:
            if step is None or not (await factors.take(tx, account.id, step) and await factors.confirm(tx, account.id)):
                return False
            await factors.replace_codes(tx, account.id, [_stored(account.id, each) for each in codes])
            await _end_all(tx, account.id)
            await record(tx, Author(account.name, origin=Origin(client)), done(Act.FACTOR_ADD, account.name))
            return True

        await self._try(account, client, partial(turn_on, step=await self._step(account, code)))
        return codes

    async def prove(self, account: Account, code: str, client: str) -> None:
        """Do nothing when the code is the app's or a recovery code that was not used; either is used up by that.

        Raises:
            CodeRefused, SecondFactorMissing, TooManySignIns
        """
        code = "".join(code.split()).replace("-", "").casefold()
        is_of_app = code.isdecimal() and len(code) == totp.DIGITS
        step = await self._step(account, code) if is_of_app else None

        async def take(tx: Transaction) -> bool:
            if is_of_app:
                is_right = step is not None and await factors.take(tx, account.id, step)
            else:
                is_right = await factors.use_code(tx, account.id, _stored(account.id, code))
            if is_right:
                details = {"with": "code" if is_of_app else "recovery code"}
                await record(tx, Author(account.name, origin=Origin(client)), done(Act.SIGN_IN, account.name, details))
            return is_right

        await self._try(account, client, take)

    async def new_recovery_codes(self, account: Account) -> list[str]:
        """Replace all recovery codes; return them. Raises SecondFactorMissing."""
        if account.second_factor_at is None:
            raise SecondFactorMissing(name=account.name)
        codes = _new_codes()

        async def replace(tx: Transaction) -> None:
            await factors.replace_codes(tx, account.id, [_stored(account.id, each) for each in codes])
            await record(tx, self._by, done(Act.FACTOR_CODES, account.name))

        await self._db.write(replace)
        return codes

    async def remove(self, account: Account) -> None:
        """Turn a second factor off, and end all that its owner is signed in with. Raises SecondFactorMissing."""

        async def turn_off(tx: Transaction) -> None:
            if not await factors.remove(tx, account.id):
                raise SecondFactorMissing(name=account.name)
            await _end_all(tx, account.id)
            await record(tx, self._by, done(Act.FACTOR_REMOVE, account.name))

        await self._db.write(turn_off)

    async def _step(self, account: Account, code: str) -> int | None:
        found = await self._db.read(factors.of_account, account.id)
        if found is None:
            raise SecondFactorMissing(name=account.name)
        sealed, _, now_us = found
        return totp.step_of(self._file.ring().open(sealed, _purpose(account.id)), code, now_us // _SECOND_US)

    async def _try(self, account: Account, client: str, take: Callable[[Transaction], Awaitable[bool]]) -> None:
        """Take a code, as often as that may be tried. Raises CodeRefused, TooManySignIns."""
        by, network = Author(ANYONE, origin=Origin(client)), network_of(client)
        deed = Deed(Act.SIGN_IN, account.name, account.name, {"with": "code"}, Outcome.REFUSED)
        await self._throttle.require(_subject(account), network)
        if not await self._throttle.attempt(_subject(account), network, take, lambda tx: record(tx, by, deed)):
            raise CodeRefused


async def _end_all(tx: Transaction, account: int) -> None:
    await accounts.renew(tx, account)
    await sessions.end_all(tx, account)


def _purpose(account: int) -> str:
    return f"second factor {account}"


def _subject(account: Account) -> str:
    return str(account.id)


def _new_codes() -> list[str]:
    """Return recovery codes in the form in which they are written down: groups of four."""
    texts = ["".join(secrets.choice(_LETTERS) for _ in range(_LONG)) for _ in range(RECOVERY_CODES)]
    return ["-".join(text[place : place + _GROUP] for place in range(0, _LONG, _GROUP)) for text in texts]


def _stored(account: int, code: str) -> str:
    """Return what is stored of a recovery code: 80 random bits need no slow hash."""
    return hashlib.sha256(f"{account} {code.replace('-', '')}".encode("utf-8", "replace")).hexdigest()
