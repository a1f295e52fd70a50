"""Tokens of users and organisations, and robots: made once, shown once, revoked at once."""

import time
import uuid
from collections.abc import Sequence
from typing import Final

import msgspec

from entrepot.base.addresses import in_networks, shortened
from entrepot.base.clock import now_us
from entrepot.domain.accounts.errors import (
    AccountUnknown,
    CredentialUnknown,
    OrganisationUnknown,
    RobotExists,
    SignInRefused,
    TermsInvalid,
    TooMany,
)
from entrepot.domain.accounts.model import Account, Credential, Kind, Terms, checked
from entrepot.domain.accounts.queries import accounts, credentials, organisations
from entrepot.domain.accounts.secrets import new_secret, stored
from entrepot.domain.audit.model import ANYONE, HUB, Act, Author, Deed, Detail, Origin, Outcome
from entrepot.domain.audit.service.acting import Acting
from entrepot.domain.audit.service.recording import record
from entrepot.domain.audit.service.seldom import Seldom
from entrepot.platform.db.database import Database, Transaction
from entrepot.spec.oci.names import parse_segment

_MOST: Final = 1000  # that hold, of a user or an organisation
_MOST_STORED: Final = 2000  # with those that hold no more
_NOTED_EVERY_S: Final = 60.0
_MOST_NOTED: Final = 10_000
_LONGEST_NAME: Final = 100
_WITH_TOKEN: Final = {"with": "token"}
_LONGEST_LIFE_S: Final = 100 * 366 * 86_400


class Credentials(Acting):
    """All tokens and robots of the hub."""

    def __init__(self, db: Database, by: Author = HUB) -> None:
        super().__init__(by)
        self._db = db
        self._noted: dict[tuple[str, str], float] = {}
        self._recorded = Seldom()

    async def add_personal(self, owner: str, name: str, terms: Terms, *, lifetime_s: int | None = None) -> tuple[Credential, str]:
        """Make a token of a user's; return it with its secret, which is never shown again.

        Raises:
            AccountUnknown, TermsInvalid
        """
        account = await self._db.read(accounts.by_name, owner)
        if account is None:
            raise AccountUnknown(name=owner)
        made = _draft(Kind.PERSONAL, _named(name), terms, owner, account.id)
        return await self._add(msgspec.structs.replace(made, owner=owner), account.namespace, lifetime_s)

    async def add_organisation(
        self,
        organisation: str,
        name: str,
        terms: Terms,
        *,
        created_by: str,
        lifetime_s: int | None = None,
    ) -> tuple[Credential, str]:
        """Make a token of an organisation's. Raises OrganisationUnknown, TermsInvalid."""
        made = msgspec.structs.replace(_draft(Kind.ORGANISATION, _named(name), terms, created_by), owner=organisation)
        return await self._add(made, await self._namespace(organisation), lifetime_s)

    async def add_robot(
        self,
        namespace: str,
        name: str,
        terms: Terms,
        *,
        created_by: str,
        lifetime_s: int | None = None,
    ) -> tuple[Credential, str]:
        """Make a robot, which signs in as `NAMESPACE+NAME` and may do what its terms grant.

        Raises:
            NamespaceInvalid, OrganisationUnknown, RobotExists, TermsInvalid
        """
        if not terms.grants:
            raise TermsInvalid(what="robot", value=name, expected="at least one grant, as app=read")
        made = msgspec.structs.replace(_draft(Kind.ROBOT, parse_segment(name), terms, created_by), owner=namespace)
        return await self._add(made, await self._namespace(namespace), lifetime_s)

    async def find(self, id_: str) -> Credential:
        """Return a credential, whether it holds or not. Raises CredentialUnknown."""
        found = await self._db.read(credentials.by_id, id_)
        if found is None:
            raise CredentialUnknown(id=id_)
        return found

    async def holding(self, id_: str) -> Credential | None:
        """Return a credential if it holds; asked at every request that needs to know, so it may be spared.

        What is spared may have expired since it was asked: nothing was committed at that moment.
        """
        found = await self._db.recall(credentials.holding, id_)
        return found if found is not None and (found.expires_at is None or found.expires_at > now_us()) else None

    async def of_account(self, account: Account) -> Sequence[Credential]:
        """Return a user's tokens, newest first."""
        return await self._db.read(credentials.of_account, account.id)

    async def of_namespace(self, namespace: str, kind: Kind) -> Sequence[Credential]:
        """Return an organisation's tokens or a namespace's robots, newest first. Raises OrganisationUnknown."""
        return await self._db.read(credentials.of_namespace, await self._namespace(namespace), kind)

    async def revoke(self, id_: str) -> None:
        """Let a credential prove nothing any more. Raises CredentialUnknown."""

        async def end(tx: Transaction) -> None:
            held = await credentials.by_id(tx, id_)
            if held is None or not await credentials.revoke(tx, id_):
                raise CredentialUnknown(id=id_)
            act = Act.ROBOT_REVOKE if held.kind is Kind.ROBOT else Act.TOKEN_REVOKE
            await record(tx, self._by, Deed(act, held.owner, id_, {"name": held.name}))

        await self._db.write(end)

    async def proved(self, name: str, secret: str, client: str) -> Credential:
        """Return the credential whose secret this is, presented under that name from that address.

        The name is the owner's, of a robot `NAMESPACE+NAME`; other systems' fixed names are not looked at.

        Raises:
            SignInRefused
        """
        found = await self._db.read(credentials.by_secret, stored(secret))
        if found is None or not in_networks(client, found.terms.networks):
            raise SignInRefused
        if found.kind is not Kind.ROBOT and "+" in name:
            raise SignInRefused
        return found

    async def used(self, held: Credential, by: Author) -> None:
        """Note when and from where a credential was used, once a minute: reads do not write each time.

        As a sign-in it is recorded once an hour from each network.
        """
        now, client = time.monotonic(), by.origin.address
        use = (held.id, shortened(client))
        if now - self._noted.get(use, -_NOTED_EVERY_S) < _NOTED_EVERY_S:
            return
        if len(self._noted) >= _MOST_NOTED:
            self._noted.clear()
        self._noted[use] = now
        is_due = self._recorded.is_due(use)

        async def note(tx: Transaction) -> None:
            await credentials.note_use(tx, held.id, client)
            if is_due:
                await record(tx, by, Deed(Act.SIGN_IN, held.owner, by.name, _WITH_TOKEN))

        await self._db.write(note, durable=is_due)
        if is_due:
            self._recorded.note(use)

    async def refused(self, secret: str, client: str) -> None:
        """Record that a token was refused, once an hour from each network; of one that was revoked or has expired, which."""
        found = await self._db.read(credentials.ever, stored(secret))
        id_, owner = found or ("", "")
        recorded = ("refused", id_, shortened(client))
        if not self._recorded.is_due(recorded):
            return
        deed = Deed(Act.SIGN_IN, owner, owner, _WITH_TOKEN, Outcome.REFUSED)
        by = Author(ANYONE, id_, Origin(client))
        await self._db.write(lambda tx: record(tx, by, deed), durable=False)
        self._recorded.note(recorded)

    async def _namespace(self, name: str) -> int:
        found = await self._db.read(accounts.namespace_of, name)
        if found is None:
            raise OrganisationUnknown(name=name)
        return found[0]

    async def _add(self, made: Credential, namespace: int, lifetime_s: int | None) -> tuple[Credential, str]:
        if lifetime_s is not None and not 0 < lifetime_s <= _LONGEST_LIFE_S:
            raise TermsInvalid(what="lifetime", value=lifetime_s, expected="a number of seconds above 0")
        secret = new_secret(made.kind)

        async def store(tx: Transaction) -> None:
            if made.kind is Kind.ROBOT:
                await organisations.lock(tx, namespace)
                if await credentials.robot(tx, namespace, made.name) is not None:
                    raise RobotExists(name=made.name)
            if await credentials.count(tx, namespace) >= _MOST:
                raise TooMany(owner=made.owner, most=_MOST, what="tokens and robots")
            if await credentials.count_stored(tx, namespace) >= _MOST_STORED:
                await credentials.prune_of(tx, namespace)  # before their ninety days are over: lists are to have an end
            await credentials.add(tx, made, namespace, stored(secret), lifetime_s and lifetime_s * 1_000_000)
            act = Act.ROBOT_ADD if made.kind is Kind.ROBOT else Act.TOKEN_ADD
            await record(tx, self._by, Deed(act, made.owner, made.id, _about(made)))

        await self._db.write(store)
        return await self.find(made.id), secret


def _draft(kind: Kind, name: str, terms: Terms, created_by: str, account: int | None = None) -> Credential:
    return Credential(str(uuid.uuid4()), kind, "", account, name, checked(terms), created_by)


def _about(made: Credential) -> dict[str, Detail]:
    """Return what is recorded of a new credential beside its id."""
    grants = " ".join(f"{each.pattern}={each.role.value}" for each in made.terms.grants)
    return {"name": made.name, "grants": grants} if grants else {"name": made.name, "scope": made.terms.scope.value}


def _named(name: str) -> str:
    if not name.isprintable() or not 0 < len(name) <= _LONGEST_NAME:
        raise TermsInvalid(what="name", value=name, expected=f"one line of at most {_LONGEST_NAME} characters")
    return name
