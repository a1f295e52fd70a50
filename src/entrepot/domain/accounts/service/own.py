"""What is known of somebody, for them to have, and the end of an account by its owner."""

import msgspec

from entrepot.domain.accounts.errors import CodeNeeded
from entrepot.domain.accounts.model import Account, Credential, Held, InTeam, Link, Member, Session
from entrepot.domain.accounts.queries import accounts, credentials, links, organisations, sessions
from entrepot.domain.accounts.service.factors import FactorState, SecondFactors
from entrepot.domain.accounts.service.inviting import end_invitations
from entrepot.domain.accounts.service.sessions import IDLE_US
from entrepot.domain.accounts.service.users import Users, require_another_administrator, require_other_owners
from entrepot.domain.audit.model import Act, Author, Origin, done
from entrepot.domain.audit.service.recording import record
from entrepot.platform.db.database import Database, Transaction


class OwnData(msgspec.Struct, frozen=True):
    """All that accounts know of a user; no secret and no hash of one. Patterns of grants begin with their namespace."""

    account: Account
    organisations: list[Member]
    teams: list[InTeam]
    grants: list[Held]
    tokens: list[Credential]
    sessions: list[Session]
    links: list[Link]
    second_factor: FactorState


class OwnAccounts:
    """What everybody may do with their own account."""

    def __init__(self, db: Database, users: Users, factors: SecondFactors) -> None:
        self._db = db
        self._users = users
        self._factors = factors

    async def export(self, account: Account) -> OwnData:
        """Return what is known of a user."""
        return OwnData(
            account,
            await self._db.read(organisations.organisations_of, account.id),
            await self._db.read(organisations.teams_of, account.id),
            await self._db.read(organisations.grants_of, account.id),
            await self._db.read(credentials.of_account, account.id),
            await self._db.read(sessions.of_account, account.id, IDLE_US),
            await self._db.read(links.of_account, account.id),
            await self._factors.state(account),
        )

    async def delete(self, account: Account, password: str, code: str, client: str) -> None:
        """Delete one's account with tokens, sessions and memberships; repositories stay, and the name is given to nobody else.

        Raises:
            CodeNeeded, CodeRefused, SignInRefused, TooManySignIns: they have not proved once more who they are.
            LastAdministrator, LastOwner
        """
        proved = await self._users.sign_in(account.name, password, client)
        if proved.second_factor_at is not None:
            if not code:
                raise CodeNeeded
            await self._factors.prove(proved, code, client)

        async def remove(tx: Transaction) -> None:
            await require_another_administrator(tx, proved)
            await require_other_owners(tx, proved)
            if await accounts.delete_account(tx, proved.id):
                by = Author(proved.name, origin=Origin(client))
                await end_invitations(tx, by, (proved.id, proved.name))
                await record(tx, by, done(Act.USER_DELETE, proved.name))

        await self._db.write(remove)
        self._users.forget()
