"""A scenario that runs every statement about accounts once."""

from argon2 import PasswordHasher

from entrepot.app.parts import Accounts
from entrepot.base.settings import Settings
from entrepot.domain.access.errors import TokenRefused
from entrepot.domain.access.model import ANYONE
from entrepot.domain.accounts.errors import SignInRefused
from entrepot.domain.accounts.model import Grant, Held, Kind, Place, Terms
from entrepot.domain.accounts.service.directory import Directory
from entrepot.domain.accounts.service.throttle import Throttle
from entrepot.spec.oci.scopes import parse_scopes
from support.accounts import NETWORK, PASSWORD
from support.parts import sql


async def account_history(who: Accounts, place: Settings) -> None:
    """Make, change and delete users, an organisation with a team, tokens and a robot, and sign in."""
    assert await who.users.is_empty()
    for name in ("ann", "bob", "z", "zoe"):
        await who.users.add(name, PASSWORD, email=f"{name}@example.com", is_admin=name == "ann")
    await _sign_in(who, place)
    await _organise(who)
    await who.users.set_password("bob", "another fine password")
    await who.users.set_email("bob", None)
    for is_admin in (True, False):
        await who.users.set_admin("bob", is_admin=is_admin)
    for is_active in (False, True):
        await who.users.set_active("bob", is_active=is_active)
    assert [each.name for each in await who.users.page("ann", 10)] == ["bob", "z", "zoe"]
    there = Directory(who.users._db)
    assert [each.name for each in await there.users("z", "z", 10)] == ["zoe"]
    assert [(each.name, each.members) for each in await there.organisations("cr", "", 10)] == [("crew", 1)]
    assert (await there.counts(3))[0] == 3
    await who.users.delete("z")
    assert (await who.tokens.issue(ANYONE, parse_scopes(["repository:team/one:pull"]))).access == {"team/one": ["pull"]}


async def _sign_in(who: Accounts, place: Settings) -> None:
    old = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1).hash(PASSWORD)
    await sql(place, "UPDATE account SET password = $1 WHERE email = 'bob@example.com'", old)
    await who.users.sign_in("bob@example.com", PASSWORD, NETWORK)
    assert await sql(place, "SELECT count(*) FROM account WHERE password LIKE '%t=2%'") == [(4,)], "it is hashed anew"
    for _ in range(2):
        try:
            await who.users.sign_in("ann", "wrong password", NETWORK)
        except SignInRefused:
            continue
    await who.users.sign_in("ann", PASSWORD, NETWORK)
    await sql(place, "UPDATE failed_login SET last_at = 1")
    assert await Throttle(who.users._db, "").prune() == 3


async def _organise(who: Accounts) -> None:
    there, held = who.organisations, Held("app", Grant.READ)
    await there.add("crew", "ann")
    assert await there.adopt("ann") == 1
    for place in (Place.OWNER, Place.MEMBER):
        await there.set_member("crew", "bob", place)
    await there.add_team("crew", "devs", "é")
    await there.join_team("crew", "devs", "bob")
    await there.grant_to_team("crew", "devs", held)
    await there.grant_to_account("crew", "bob", held)
    await there.standing((await who.users.find("bob")).id, "crew")
    await there.members("crew", "", 10)
    await there.of_account((await who.users.find("bob")).id)
    await there.teams("crew")
    await there.team("crew", "devs")
    await there.granted_to_accounts("crew")
    assert await there.granted_to_teams("crew") == [("devs", held)]
    assert await there.teams_of((await who.users.find("bob")).id, "crew") == ["devs"]
    assert await there.made_at("crew")
    assert await there.settings("crew") == (True, False)
    await _hand_out(who)
    await there.leave_team("crew", "devs", "bob")
    await there.withdraw_from_team("crew", "devs", "app")
    await there.withdraw_from_account("crew", "bob", "app")
    await there.remove_member("crew", "bob")
    await there.delete_team("crew", "devs")


async def _hand_out(who: Accounts) -> None:
    made, secret = await who.credentials.add_personal("bob", "laptop", Terms(), lifetime_s=3600)
    await who.credentials.add_robot("crew", "ci", Terms(grants=(Held("app", Grant.WRITE),)), created_by="ann")
    actor = await who.identity.basic("bob", secret, NETWORK)
    assert await who.identity.still(actor) == actor
    assert len(await who.credentials.of_account(await who.users.find("bob"))) == 1
    assert len(await who.credentials.of_namespace("crew", Kind.ROBOT)) == 1
    await who.credentials.revoke(made.id)
    for proving in (who.identity.basic("bob", secret, NETWORK), who.identity.still(actor)):
        try:
            await proving
        except (SignInRefused, TokenRefused):
            continue
        raise AssertionError("a revoked token still holds")
