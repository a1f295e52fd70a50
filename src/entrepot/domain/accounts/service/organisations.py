"""Organisations: their members and teams, and what is granted to whom."""

from collections.abc import Awaitable, Callable
from typing import Final

from entrepot.domain.accounts.errors import (
    AccountUnknown,
    LastOwner,
    MemberUnknown,
    NameTaken,
    OrganisationUnknown,
    TeamExists,
    TeamUnknown,
    TooMany,
)
from entrepot.domain.accounts.model import ORGANISATION, Account, Held, InNamespace, Member, Place, Team, check_pattern
from entrepot.domain.accounts.queries import accounts, organisations
from entrepot.domain.accounts.service.inviting import end_invitations
from entrepot.domain.audit.model import HUB, Act, Author, done
from entrepot.domain.audit.service.acting import Acting
from entrepot.domain.audit.service.recording import record
from entrepot.platform.db.database import Database, Reader, Transaction
from entrepot.spec.oci.names import LIBRARY, parse_namespace, parse_segment

_MOST_TEAMS: Final = 1000
_MOST_GRANTS: Final = 1000
_MOST_SHOWN: Final = 5000
Seat = Callable[[Transaction, tuple[int, str]], Awaitable[None]]


class Organisations(Acting):
    """All organisations of the hub, and all namespaces where something is granted."""

    def __init__(self, db: Database, by: Author = HUB, seat: Seat | None = None) -> None:
        """Take what is asked before somebody becomes a member; without it there may be any number."""
        super().__init__(by)
        self._db = db
        self._seat = seat

    async def standing(self, account: int, namespace: str) -> InNamespace:
        """Return what somebody (0: nobody) is in a namespace, and what is granted to them there."""
        found = await self._db.recall(organisations.standing, str(account), namespace)
        return found or InNamespace("")

    async def add(self, name: str, owner: str) -> None:
        """Make an organisation with its first owner. Raises AccountUnknown, NamespaceInvalid, NameReserved, NameTaken."""
        if parse_namespace(name) == LIBRARY:
            raise NameTaken(name=name)

        async def make(tx: Transaction) -> None:
            first = await _account(tx, owner)
            made = await accounts.add_namespace(tx, name, ORGANISATION)
            if made is None:
                raise NameTaken(name=name)
            await organisations.set_place(tx, made, first.id, Place.OWNER)
            await record(tx, self._by, done(Act.ORGANISATION_ADD, name, {"owner": owner}))

        await self._db.write(make)

    async def settings(self, organisation: str) -> tuple[bool, bool]:
        """Return whether repositories that a push makes are public, and whether members need a second factor.

        Raises:
            OrganisationUnknown
        """
        return await self._db.read(organisations.settings, await self._db.read(organisation_named, organisation))

    async def made_at(self, namespace: str) -> int | None:
        """Return when a user's or an organisation's namespace was made (microseconds UTC); None when there is none."""
        return await self._db.read(accounts.made_at, namespace)

    async def set_visibility(self, namespace: str, *, public: bool) -> None:
        """Say what repositories are that a push makes in a user's or an organisation's namespace. Raises OrganisationUnknown."""

        async def change(tx: Transaction) -> None:
            await accounts.set_visibility(tx, await _namespace(tx, namespace), "public" if public else "private")
            await record(tx, self._by, done(Act.NAMESPACE_VISIBILITY, namespace, {"public": public}))

        await self._db.write(change)

    async def adopt(self, name: str) -> int:
        """Make a user the owner of all organisations that have no member; return how many. Raises AccountUnknown."""

        async def change(tx: Transaction) -> int:
            adopted = await organisations.adopt(tx, (await _account(tx, name)).id)
            if adopted:
                await record(tx, self._by, done(Act.ORGANISATION_ADOPT, name, {"organisations": adopted}))
            return adopted

        return await self._db.write(change)

    async def members(self, organisation: str, last: str, limit: int) -> list[Member]:
        """Return the members whose names come behind `last`, at most `limit`. Raises OrganisationUnknown."""
        id_ = await self._db.read(organisation_named, organisation)
        return await self._db.read(organisations.members_after, id_, last, limit)

    async def of_account(self, account: int) -> list[Member]:
        """Return the organisations that a user is in."""
        return await self._db.read(organisations.organisations_of, account)

    async def set_member(self, organisation: str, name: str, place: Place) -> None:
        """Make a user a member, or another kind of member.

        Raises:
            AccountUnknown, LastOwner, OrganisationUnknown, and what is raised when there is no seat left
        """

        async def change(tx: Transaction) -> None:
            id_, account = await organisation_named(tx, organisation), await _account(tx, name)
            if self._seat is not None and await organisations.place_of(tx, id_, account.id) is None:
                await organisations.lock(tx, id_)
                await self._seat(tx, (id_, organisation))
            if place is not Place.OWNER:
                await require_another_owner(tx, id_, organisation, account)
            await organisations.set_place(tx, id_, account.id, place)
            if place is not Place.OWNER:
                await end_invitations(tx, self._by, (account.id, name), (id_, organisation))
            await record(tx, self._by, done(Act.MEMBER_SET, organisation, {"user": name, "role": place.value}))

        await self._db.write(change)

    async def remove_member(self, organisation: str, name: str) -> None:
        """Take a user out of an organisation and its teams.

        Raises:
            AccountUnknown, LastOwner, MemberUnknown, OrganisationUnknown
        """

        async def change(tx: Transaction) -> None:
            id_, account = await organisation_named(tx, organisation), await _account(tx, name)
            await require_another_owner(tx, id_, organisation, account)
            if not await organisations.leave(tx, id_, account.id):
                raise MemberUnknown(name=name, organisation=organisation)
            await end_invitations(tx, self._by, (account.id, name), (id_, organisation))
            await record(tx, self._by, done(Act.MEMBER_REMOVE, organisation, {"user": name}))

        await self._db.write(change)

    async def require_second_factor(self, organisation: str, *, is_required: bool) -> None:
        """Ask all who are in it for a second factor: whoever has none has no rights there until they have one.

        Raises:
            OrganisationUnknown
        """

        async def change(tx: Transaction) -> None:
            await organisations.require_factor(tx, await organisation_named(tx, organisation), is_required=is_required)
            await record(tx, self._by, done(Act.ORGANISATION_FACTOR, organisation, {"required": is_required}))

        await self._db.write(change)

    async def teams(self, organisation: str) -> list[Team]:
        """Return the teams of an organisation. Raises OrganisationUnknown."""
        return await self._db.read(organisations.teams, await self._db.read(organisation_named, organisation))

    async def team(self, organisation: str, name: str) -> tuple[list[str], list[Held]]:
        """Return the members of a team, and what is granted to it. Raises OrganisationUnknown, TeamUnknown."""
        found = await self._db.read(_team, organisation, name)
        return await self._db.read(organisations.in_team, found.id), await self._db.read(organisations.granted_to_team, found.id)

    async def add_team(self, organisation: str, name: str, description: str = "") -> None:
        """Make a team. Raises NamespaceInvalid, OrganisationUnknown, TeamExists."""
        parse_segment(name)

        async def make(tx: Transaction) -> None:
            id_ = await organisation_named(tx, organisation)
            if len(await organisations.teams(tx, id_)) >= _MOST_TEAMS:
                raise TooMany(owner=organisation, most=_MOST_TEAMS, what="teams")
            if not await organisations.add_team(tx, id_, name, description):
                raise TeamExists(organisation=organisation, name=name)
            await record(tx, self._by, done(Act.TEAM_ADD, f"{organisation}/{name}"))

        await self._db.write(make)

    async def delete_team(self, organisation: str, name: str) -> None:
        """Delete a team, and what was granted to it. Raises OrganisationUnknown, TeamUnknown."""

        async def remove(tx: Transaction) -> None:
            await organisations.delete_team(tx, (await _team(tx, organisation, name)).id)
            await record(tx, self._by, done(Act.TEAM_DELETE, f"{organisation}/{name}"))

        await self._db.write(remove)

    async def join_team(self, organisation: str, team: str, name: str) -> None:
        """Put a member into a team. Raises AccountUnknown, MemberUnknown, OrganisationUnknown, TeamUnknown."""

        async def change(tx: Transaction) -> None:
            id_, account = await organisation_named(tx, organisation), await _account(tx, name)
            if await organisations.place_of(tx, id_, account.id) is None:
                raise MemberUnknown(name=name, organisation=organisation)
            if await organisations.join_team(tx, (await _team(tx, organisation, team)).id, account.id):
                await record(tx, self._by, done(Act.TEAM_JOIN, f"{organisation}/{team}", {"user": name}))

        await self._db.write(change)

    async def leave_team(self, organisation: str, team: str, name: str) -> None:
        """Take a user out of a team. Raises AccountUnknown, MemberUnknown, OrganisationUnknown, TeamUnknown."""

        async def change(tx: Transaction) -> None:
            found, account = await _team(tx, organisation, team), await _account(tx, name)
            if not await organisations.leave_team(tx, found.id, account.id):
                raise MemberUnknown(name=name, organisation=f"{organisation}/{team}")
            await record(tx, self._by, done(Act.TEAM_LEAVE, f"{organisation}/{team}", {"user": name}))

        await self._db.write(change)

    async def granted_to_teams(self, organisation: str) -> list[tuple[str, Held]]:
        """Return the teams of an organisation to which something is granted; none for a user. Raises OrganisationUnknown."""
        return await self._db.read(organisations.granted_to_teams, await self._db.read(_namespace, organisation), _MOST_SHOWN)

    async def teams_of(self, account: int, organisation: str) -> list[str]:
        """Return the teams of an organisation that a user is in."""
        return [each.team for each in await self._db.read(organisations.teams_of, account) if each.organisation == organisation]

    async def grant_to_team(self, organisation: str, team: str, held: Held) -> None:
        """Let a team do something with the repositories of a pattern. Raises OrganisationUnknown, TeamUnknown, TermsInvalid."""
        check_pattern(held.pattern)

        async def change(tx: Transaction) -> None:
            id_ = (await _team(tx, organisation, team)).id
            granted = {each.pattern for each in await organisations.granted_to_team(tx, id_)}
            if len(granted) >= _MOST_GRANTS and held.pattern not in granted:
                raise TooMany(owner=f"{organisation}/{team}", most=_MOST_GRANTS, what="grants")
            await organisations.grant_to_team(tx, id_, held)
            details = {"team": team, "role": held.role.value}
            await record(tx, self._by, done(Act.GRANT_SET, f"{organisation}/{held.pattern}", details))

        await self._db.write(change)

    async def withdraw_from_team(self, organisation: str, team: str, pattern: str) -> None:
        """Withdraw what a team was granted for a pattern. Raises OrganisationUnknown, TeamUnknown."""

        async def change(tx: Transaction) -> None:
            if await organisations.withdraw_from_team(tx, (await _team(tx, organisation, team)).id, pattern):
                await record(tx, self._by, done(Act.GRANT_WITHDRAW, f"{organisation}/{pattern}", {"team": team}))

        await self._db.write(change)

    async def grant_to_account(self, namespace: str, name: str, held: Held) -> None:
        """Let a user do something with the repositories of a pattern.

        Raises:
            AccountUnknown, OrganisationUnknown, TermsInvalid
        """
        check_pattern(held.pattern)

        async def change(tx: Transaction) -> None:
            id_ = await _namespace(tx, namespace)
            granted = {(whose, each.pattern) for whose, each in await organisations.granted_to_accounts(tx, id_)}
            if len(granted) >= _MOST_GRANTS and (name, held.pattern) not in granted:
                raise TooMany(owner=namespace, most=_MOST_GRANTS, what="grants to single users")
            await organisations.grant_to_account(tx, id_, (await _account(tx, name)).id, held)
            details = {"user": name, "role": held.role.value}
            await record(tx, self._by, done(Act.GRANT_SET, f"{namespace}/{held.pattern}", details))

        await self._db.write(change)

    async def withdraw_from_account(self, namespace: str, name: str, pattern: str) -> None:
        """Withdraw what a user was granted for a pattern. Raises AccountUnknown, OrganisationUnknown."""

        async def change(tx: Transaction) -> None:
            id_, account = await _namespace(tx, namespace), await _account(tx, name)
            if await organisations.withdraw_from_account(tx, id_, account.id, pattern):
                await record(tx, self._by, done(Act.GRANT_WITHDRAW, f"{namespace}/{pattern}", {"user": name}))

        await self._db.write(change)

    async def granted_to_accounts(self, namespace: str) -> list[tuple[str, Held]]:
        """Return the users to whom something is granted in a namespace. Raises OrganisationUnknown."""
        return await self._db.read(organisations.granted_to_accounts, await self._db.read(_namespace, namespace))


async def _account(db: Reader, name: str) -> Account:
    found = await accounts.by_name(db, name)
    if found is None:
        raise AccountUnknown(name=name)
    return found


async def _namespace(db: Reader, name: str) -> int:
    found = await accounts.namespace_of(db, name)
    if found is None:
        raise OrganisationUnknown(name=name)
    return found[0]


async def organisation_named(db: Reader, name: str) -> int:
    """Return the id of an organisation's namespace. Raises OrganisationUnknown."""
    found = await accounts.namespace_of(db, name)
    if found is None or found[1] != ORGANISATION:
        raise OrganisationUnknown(name=name)
    return found[0]


async def _team(db: Reader, organisation: str, name: str) -> Team:
    found = await organisations.team_of(db, await organisation_named(db, organisation), name)
    if found is None:
        raise TeamUnknown(organisation=organisation, name=name)
    return found


async def require_another_owner(tx: Transaction, id_: int, organisation: str, account: Account) -> None:
    """Do nothing when somebody else owns the organisation, or this one does not. Raises LastOwner."""
    await organisations.lock(tx, id_)
    if await organisations.place_of(tx, id_, account.id) is Place.OWNER and await organisations.owners(tx, id_) <= 1:
        raise LastOwner(name=account.name, organisation=organisation)
