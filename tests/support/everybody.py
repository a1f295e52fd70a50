"""Somebody of each kind, and what each may do: the table that the tests of every interface are made from."""

from typing import Final

from entrepot.app.parts import Accounts
from entrepot.domain.accounts.model import Grant, Held, Place, Scope, Terms
from support.accounts import PASSWORD, basic

# What each may do in the organisation `team`, beside pulling what is public: r(ead), w(rite), d(elete), c(reate).
WHO: Final = {
    "nobody": "",
    "stranger": "",
    "member": "",
    "reader": "r",
    "writer": "rw",
    "maintainer": "rwd",
    "collaborator": "rw",
    "editor": "rwdc",
    "owner": "rwdc",
    "admin": "rwdc",
    "owner, token public-read": "",
    "owner, token read": "r",
    "owner, token write": "rwc",
    "owner, token delete": "rwdc",
    "owner, token for another": "",
    "team, token write": "rwc",
    "robot, read": "r",
    "robot, write": "rw",
    "robot, admin": "rwd",
}
USERS: Final = ("stranger", "member", "reader", "writer", "maintainer", "collaborator", "editor", "owner")


async def people(who: Accounts) -> dict[str, str | None]:
    """Make somebody of each kind; return the header by which each signs in."""
    there = who.organisations
    for name in USERS:
        await who.users.add(name, PASSWORD)
    await there.add("team", "owner")
    for name in ("member", "reader", "writer", "maintainer"):
        await there.set_member("team", name, Place.MEMBER)
    await there.set_member("team", "editor", Place.EDITOR)
    for name, grant in (("reader", Grant.READ), ("writer", Grant.WRITE), ("maintainer", Grant.ADMIN)):
        await there.add_team("team", f"{name}s")
        await there.join_team("team", f"{name}s", name)
        await there.grant_to_team("team", f"{name}s", Held("app-*", grant))
    await there.grant_to_account("team", "collaborator", Held("app-*", Grant.WRITE))
    found: dict[str, str | None] = {"nobody": None, "admin": basic("admin", PASSWORD)}
    found |= {name: basic(name, PASSWORD) for name in USERS}
    for scope in (Scope.PUBLIC_READ, Scope.READ, Scope.WRITE, Scope.DELETE):
        _, secret = await who.credentials.add_personal("owner", scope.value, Terms(scope))
        found[f"owner, token {scope.value}"] = basic("owner", secret)
    _, secret = await who.credentials.add_personal("owner", "other", Terms(Scope.DELETE, ("owner/*",)))
    found["owner, token for another"] = basic("owner", secret)
    _, secret = await who.credentials.add_organisation("team", "ci", Terms(Scope.WRITE), created_by="owner")
    found["team, token write"] = basic("team", secret)
    for grant in Grant:
        terms = Terms(Scope.DELETE, grants=(Held("app-*", grant),))
        _, secret = await who.credentials.add_robot("team", grant.value, terms, created_by="owner")
        found[f"robot, {grant.value}"] = basic(f"team+{grant.value}", secret)
    return found
