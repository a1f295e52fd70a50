"""Statements about members, teams and what is granted to whom."""

from typing import Any, Final

from sqlalchemy import BindParameter, bindparam, delete, exists, func, literal, select, union_all, update
from sqlalchemy.dialects.postgresql import insert as insert_or_replace

from entrepot.domain.accounts.model import ORGANISATION, Grant, Held, InNamespace, InTeam, Member, Place, Team
from entrepot.domain.accounts.tables import (
    account,
    account_grant,
    member,
    namespace,
    second_factor,
    team,
    team_grant,
    team_member,
)
from entrepot.platform.db.columns import now_us
from entrepot.platform.db.database import Reader, Transaction
from entrepot.platform.db.inserting import insert_unless_there
from entrepot.platform.db.statements import Statement
from entrepot.spec.oci.names import LIBRARY

_KIND, _OWN, _PLACE, _GRANT, _LACKS = "kind", "own", "place", "grant", "lacks"
_NAMED: Final = namespace.c.name == bindparam("namespace")
_ACCOUNT: Final[BindParameter[int]] = bindparam("account")
_HAS_FACTOR: Final = exists().where(second_factor.c.account == _ACCOUNT, second_factor.c.confirmed_at.is_not(None))
_STANDING: Final = Statement(
    union_all(
        select(literal(_KIND), literal(""), namespace.c.kind).where(_NAMED),
        select(literal(_LACKS), literal(""), literal("")).where(
            _NAMED, namespace.c.second_factor_required_at.is_not(None), ~_HAS_FACTOR
        ),
        select(literal(_OWN), literal(""), literal(""))
        .select_from(account.join(namespace, namespace.c.id == account.c.namespace))
        .where(account.c.id == _ACCOUNT, _NAMED),
        select(literal(_PLACE), literal(""), member.c.role)
        .select_from(member.join(namespace, namespace.c.id == member.c.namespace))
        .where(member.c.account == _ACCOUNT, _NAMED),
        select(literal(_GRANT), team_grant.c.pattern, team_grant.c.role)
        .select_from(
            team_member.join(team, team.c.id == team_member.c.team)
            .join(namespace, namespace.c.id == team.c.namespace)
            .join(team_grant, team_grant.c.team == team.c.id)
        )
        .where(team_member.c.account == _ACCOUNT, _NAMED),
        select(literal(_GRANT), account_grant.c.pattern, account_grant.c.role)
        .select_from(account_grant.join(namespace, namespace.c.id == account_grant.c.namespace))
        .where(account_grant.c.account == _ACCOUNT, _NAMED),
    )
)
_MEMBERS: Final = Statement(
    select(namespace.c.name, member.c.role, member.c.joined_at)
    .select_from(member.join(account, account.c.id == member.c.account).join(namespace, namespace.c.id == account.c.namespace))
    .where(member.c.namespace == bindparam("organisation"), namespace.c.name > bindparam("last"))
    .order_by(namespace.c.name)
    .limit(bindparam("limit"))
)
_OF_ACCOUNT: Final = Statement(
    select(namespace.c.name, member.c.role, member.c.joined_at)
    .select_from(member.join(namespace, namespace.c.id == member.c.namespace))
    .where(member.c.account == _ACCOUNT)
    .order_by(namespace.c.name)
)
_OWNED: Final = Statement(
    select(namespace.c.id, namespace.c.name)
    .select_from(member.join(namespace, namespace.c.id == member.c.namespace))
    .where(member.c.account == _ACCOUNT, member.c.role == literal(Place.OWNER.value))
    .order_by(namespace.c.id)
)
_TEAMS_OF: Final = Statement(
    select(namespace.c.name, team.c.name)
    .select_from(team_member.join(team, team.c.id == team_member.c.team).join(namespace, namespace.c.id == team.c.namespace))
    .where(team_member.c.account == _ACCOUNT)
    .order_by(namespace.c.name, team.c.name)
)
_OWNERS: Final = Statement(
    select(func.count())
    .select_from(member)
    .where(member.c.namespace == bindparam("organisation"), member.c.role == literal(Place.OWNER.value))
)
_LOCK: Final = Statement(select(namespace.c.id).where(namespace.c.id == bindparam("id")).with_for_update())
_SET_PLACE: Final = Statement(
    insert_or_replace(member)
    .values(namespace=bindparam("organisation"), account=_ACCOUNT, role=bindparam("role"), joined_at=now_us())
    .on_conflict_do_update(index_elements=[member.c.namespace, member.c.account], set_={"role": bindparam("role")})
)
_ADOPT: Final = Statement(
    insert_or_replace(member)
    .from_select(
        [member.c.namespace, member.c.account, member.c.role, member.c.joined_at],
        select(namespace.c.id, account.c.id, literal(Place.OWNER.value), now_us()).where(
            account.c.id == _ACCOUNT,
            namespace.c.kind == literal(ORGANISATION),
            namespace.c.name != literal(LIBRARY),
            ~exists().where(member.c.namespace == namespace.c.id),
        ),
    )
    .on_conflict_do_nothing(index_elements=[member.c.namespace, member.c.account])
)
_REQUIRE_FACTOR: Final = Statement(
    update(namespace)
    .where(namespace.c.id == bindparam("organisation_"), namespace.c.second_factor_required_at.is_(None))
    .values(second_factor_required_at=now_us())
)
_ASK_NO_FACTOR: Final = Statement(
    update(namespace).where(namespace.c.id == bindparam("organisation_")).values(second_factor_required_at=None)
)
_GRANTS_OF: Final = Statement(
    select(namespace.c.name, account_grant.c.pattern, account_grant.c.role)
    .select_from(account_grant.join(namespace, namespace.c.id == account_grant.c.namespace))
    .where(account_grant.c.account == _ACCOUNT)
    .order_by(namespace.c.name, account_grant.c.pattern)
)
_SETTINGS: Final = Statement(
    select(namespace.c.visibility, namespace.c.second_factor_required_at).where(namespace.c.id == bindparam("organisation"))
)
_PLACE_OF: Final = Statement(
    select(member.c.role).where(member.c.namespace == bindparam("organisation"), member.c.account == _ACCOUNT)
)
_LEAVE: Final = Statement(
    delete(member).where(member.c.namespace == bindparam("organisation"), member.c.account == bindparam("account_"))
)
_LEAVE_TEAMS: Final = Statement(
    delete(team_member).where(
        team_member.c.account == bindparam("account_"),
        team_member.c.team.in_(select(team.c.id).where(team.c.namespace == bindparam("organisation"))),
    )
)
_TEAMS: Final = Statement(
    select(team.c.id, team.c.name, team.c.description).where(team.c.namespace == bindparam("organisation")).order_by(team.c.name)
)
_TEAM: Final = Statement(
    select(team.c.id, team.c.name, team.c.description).where(
        team.c.namespace == bindparam("organisation"), team.c.name == bindparam("name")
    )
)
_ADD_TEAM: Final = Statement(
    insert_unless_there(
        team,
        [team.c.namespace, team.c.name],
        namespace=bindparam("organisation"),
        name=bindparam("name"),
        description=bindparam("description"),
        created_at=now_us(),
    )
)
_EMPTY_TEAM: Final = tuple(
    Statement(delete(table).where(table.c.team == bindparam("team_"))) for table in (team_member, team_grant)
)
_DELETE_TEAM: Final = Statement(delete(team).where(team.c.id == bindparam("id_")))
_JOIN_TEAM: Final = Statement(
    insert_unless_there(team_member, [team_member.c.team, team_member.c.account], team=bindparam("team"), account=_ACCOUNT)
)
_LEAVE_TEAM: Final = Statement(
    delete(team_member).where(team_member.c.team == bindparam("team_"), team_member.c.account == bindparam("account_"))
)
_TEAM_MEMBERS: Final = Statement(
    select(namespace.c.name)
    .select_from(
        team_member.join(account, account.c.id == team_member.c.account).join(namespace, namespace.c.id == account.c.namespace)
    )
    .where(team_member.c.team == bindparam("team"))
    .order_by(namespace.c.name)
)
_TEAM_GRANTS: Final = Statement(
    select(team_grant.c.pattern, team_grant.c.role).where(team_grant.c.team == bindparam("team")).order_by(team_grant.c.pattern)
)
_TEAMS_GRANTS: Final = Statement(
    select(team.c.name, team_grant.c.pattern, team_grant.c.role)
    .select_from(team_grant.join(team, team.c.id == team_grant.c.team))
    .where(team.c.namespace == bindparam("namespace"))
    .order_by(team.c.name, team_grant.c.pattern)
    .limit(bindparam("limit"))
)
_GRANT_TEAM: Final = Statement(
    insert_or_replace(team_grant)
    .values(team=bindparam("team"), pattern=bindparam("pattern"), role=bindparam("role"))
    .on_conflict_do_update(index_elements=[team_grant.c.team, team_grant.c.pattern], set_={"role": bindparam("role")})
)
_WITHDRAW_TEAM: Final = Statement(
    delete(team_grant).where(team_grant.c.team == bindparam("team_"), team_grant.c.pattern == bindparam("pattern_"))
)
_GRANT_ACCOUNT: Final = Statement(
    insert_or_replace(account_grant)
    .values(account=_ACCOUNT, namespace=bindparam("namespace"), pattern=bindparam("pattern"), role=bindparam("role"))
    .on_conflict_do_update(
        index_elements=[account_grant.c.account, account_grant.c.namespace, account_grant.c.pattern],
        set_={"role": bindparam("role")},
    )
)
_WITHDRAW_ACCOUNT: Final = Statement(
    delete(account_grant).where(
        account_grant.c.account == bindparam("account_"),
        account_grant.c.namespace == bindparam("namespace_"),
        account_grant.c.pattern == bindparam("pattern_"),
    )
)
_ACCOUNT_GRANTS: Final = Statement(
    select(namespace.c.name, account_grant.c.pattern, account_grant.c.role)
    .select_from(
        account_grant.join(account, account.c.id == account_grant.c.account).join(
            namespace, namespace.c.id == account.c.namespace
        )
    )
    .where(account_grant.c.namespace == bindparam("namespace"))
    .order_by(namespace.c.name, account_grant.c.pattern)
)


async def standing(db: Reader, account_: str, namespace_: str) -> InNamespace:
    """Return what somebody (0: nobody) is in a namespace and what is granted to them there; the id is text, as `recall` wants."""
    kind, place, held, lacks = "", None, [], False
    for what, pattern, value in await db.all(_STANDING, account=int(account_), namespace=namespace_):
        if what == _KIND:
            kind = value
        elif what == _LACKS:
            lacks = True
        elif what == _OWN:
            place = Place.OWNER
        elif what == _PLACE:
            place = place or Place(value)
        else:
            held.append(Held(pattern, Grant(value)))
    return InNamespace(kind, place, tuple(held), lacks)


async def members_after(db: Reader, organisation: int, last: str, limit: int) -> list[Member]:
    """Return the members whose names come behind `last`, in byte order, at most `limit`."""
    return _members(await db.all(_MEMBERS, organisation=organisation, last=last, limit=limit))


async def organisations_of(db: Reader, account_: int) -> list[Member]:
    """Return the organisations that a user is in, each with what they are there."""
    return _members(await db.all(_OF_ACCOUNT, account=account_))


async def owned_by(db: Reader, account_: int) -> list[tuple[int, str]]:
    """Return the ids and names of the organisations that a user owns, in the order in which they are locked."""
    return [(row[0], row[1]) for row in await db.all(_OWNED, account=account_)]


async def teams_of(db: Reader, account_: int) -> list[InTeam]:
    """Return the teams that a user is in."""
    return [InTeam(*row) for row in await db.all(_TEAMS_OF, account=account_)]


async def grants_of(db: Reader, account_: int) -> list[Held]:
    """Return what is granted to a user alone, with the names of the namespaces."""
    rows = await db.all(_GRANTS_OF, account=account_)
    return [Held(f"{name}/{pattern}", Grant(role)) for name, pattern, role in rows]


async def lock(tx: Transaction, organisation: int) -> None:
    """Let nobody else change the owners until the transaction ends."""
    await tx.one(_LOCK, id=organisation)


async def owners(db: Reader, organisation: int) -> int:
    """Return how many owners an organisation has."""
    row = await db.one(_OWNERS, organisation=organisation)
    return row[0] if row else 0


async def adopt(tx: Transaction, account_: int) -> int:
    """Make a user the owner of all organisations that have no member; return how many."""
    return await tx.run(_ADOPT, account=account_)


async def place_of(db: Reader, organisation: int, account_: int) -> Place | None:
    """Return what somebody is in an organisation."""
    row = await db.one(_PLACE_OF, organisation=organisation, account=account_)
    return Place(row[0]) if row else None


async def settings(db: Reader, organisation: int) -> tuple[bool, bool]:
    """Return whether repositories that a push makes there are public, and whether members need a second factor."""
    row = await db.one(_SETTINGS, organisation=organisation)
    return (row[0] != "private", row[1] is not None) if row else (True, False)


async def require_factor(tx: Transaction, organisation: int, *, is_required: bool) -> None:
    """Ask the members for a second factor, or no longer."""
    await tx.run(_REQUIRE_FACTOR if is_required else _ASK_NO_FACTOR, organisation_=organisation)


async def set_place(tx: Transaction, organisation: int, account_: int, place: Place) -> None:
    """Make somebody a member, or another kind of member."""
    await tx.run(_SET_PLACE, organisation=organisation, account=account_, role=place.value)


async def leave(tx: Transaction, organisation: int, account_: int) -> bool:
    """Take somebody out of an organisation and its teams; tell whether they were in it."""
    await tx.run(_LEAVE_TEAMS, organisation=organisation, account_=account_)
    return await tx.run(_LEAVE, organisation=organisation, account_=account_) > 0


async def teams(db: Reader, organisation: int) -> list[Team]:
    """Return the teams of an organisation by name."""
    return [Team(*row) for row in await db.all(_TEAMS, organisation=organisation)]


async def team_of(db: Reader, organisation: int, name: str) -> Team | None:
    """Return one team."""
    row = await db.one(_TEAM, organisation=organisation, name=name)
    return Team(*row) if row else None


async def add_team(tx: Transaction, organisation: int, name: str, description: str) -> bool:
    """Make a team; False when there is one of that name."""
    return await tx.run(_ADD_TEAM, organisation=organisation, name=name, description=description) > 0


async def delete_team(tx: Transaction, team_: int) -> None:
    """Delete a team, and what was granted to it."""
    for statement in _EMPTY_TEAM:
        await tx.run(statement, team_=team_)
    await tx.run(_DELETE_TEAM, id_=team_)


async def join_team(tx: Transaction, team_: int, account_: int) -> bool:
    """Put somebody into a team; tell whether they were not in it."""
    return await tx.run(_JOIN_TEAM, team=team_, account=account_) > 0


async def leave_team(tx: Transaction, team_: int, account_: int) -> bool:
    """Take somebody out of a team; tell whether they were in it."""
    return await tx.run(_LEAVE_TEAM, team_=team_, account_=account_) > 0


async def in_team(db: Reader, team_: int) -> list[str]:
    """Return the names of a team's members."""
    return [row[0] for row in await db.all(_TEAM_MEMBERS, team=team_)]


async def granted_to_team(db: Reader, team_: int) -> list[Held]:
    """Return what is granted to a team."""
    return [Held(row[0], Grant(row[1])) for row in await db.all(_TEAM_GRANTS, team=team_)]


async def granted_to_teams(db: Reader, namespace_: int, limit: int) -> list[tuple[str, Held]]:
    """Return the names of teams and what is granted to each in a namespace, at most `limit`."""
    return [(row[0], Held(row[1], Grant(row[2]))) for row in await db.all(_TEAMS_GRANTS, namespace=namespace_, limit=limit)]


async def grant_to_team(tx: Transaction, team_: int, held: Held) -> None:
    """Grant a team something, or something else."""
    await tx.run(_GRANT_TEAM, team=team_, pattern=held.pattern, role=held.role.value)


async def withdraw_from_team(tx: Transaction, team_: int, pattern: str) -> bool:
    """Withdraw what was granted to a team; tell whether anything was."""
    return await tx.run(_WITHDRAW_TEAM, team_=team_, pattern_=pattern) > 0


async def grant_to_account(tx: Transaction, namespace_: int, account_: int, held: Held) -> None:
    """Grant a user something in a namespace, or something else."""
    await tx.run(_GRANT_ACCOUNT, account=account_, namespace=namespace_, pattern=held.pattern, role=held.role.value)


async def withdraw_from_account(tx: Transaction, namespace_: int, account_: int, pattern: str) -> bool:
    """Withdraw what was granted to a user; tell whether anything was."""
    return await tx.run(_WITHDRAW_ACCOUNT, account_=account_, namespace_=namespace_, pattern_=pattern) > 0


async def granted_to_accounts(db: Reader, namespace_: int) -> list[tuple[str, Held]]:
    """Return the names of users and what is granted to each in a namespace."""
    return [(row[0], Held(row[1], Grant(row[2]))) for row in await db.all(_ACCOUNT_GRANTS, namespace=namespace_)]


def _members(rows: Any) -> list[Member]:
    return [Member(name, Place(role), joined_at) for name, role, joined_at in rows]
