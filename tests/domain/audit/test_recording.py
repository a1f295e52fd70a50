"""Each act stands in the log once, with who did it and from where, and not when nothing came of it."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Final

import msgspec
import pytest

from entrepot.app.parts import Accounts
from entrepot.base.errors import EntrepotError
from entrepot.base.settings import Settings
from entrepot.domain.access.model import Actor
from entrepot.domain.accounts.errors import CredentialUnknown, SignInRefused
from entrepot.domain.accounts.model import Grant, Held, Place, Terms
from entrepot.domain.audit.model import HUB, Act, Author, Origin, Wanted
from entrepot.domain.audit.service.reading import Reading
from entrepot.spec.oci.digest import Digest
from entrepot.spec.oci.names import RepositoryName
from support import manifests
from support.accounts import PASSWORD, with_accounts
from support.parts import parts, push_blob

pytestmark = pytest.mark.single  # the log is the database's alone
_CLIENT: Final = "192.0.2.9"
_BY: Final = Author("root", "the-token", Origin(_CLIENT))
_ACTOR: Final = Actor("root", credential="the-token", origin=Origin(_CLIENT))
_READ: Final = Held("app*", Grant.READ)
_ROBOT: Final = Terms(grants=(_READ,))
Verb = Callable[[Accounts, str], Awaitable[Any]]


async def _revoke(who: Accounts, name: str) -> None:
    made, _ = await who.credentials.acting(HUB).add_personal(name, "laptop", Terms())
    await who.credentials.revoke(made.id)
    with pytest.raises(CredentialUnknown):
        await who.credentials.revoke(made.id)


async def _revoke_robot(who: Accounts, name: str) -> None:
    made, _ = await who.credentials.acting(HUB).add_robot(f"org-{name}", "cd", _ROBOT, created_by="ann")
    await who.credentials.revoke(made.id)


async def _delete(who: Accounts, name: str) -> None:
    for org in (f"org-{name}", f"new-org-{name}"):
        await who.organisations.acting(HUB).set_member(org, "root", Place.OWNER)
    await who.users.delete(name)


# In the order in which they are done, to a user NAME and an organisation org-NAME with a team, all of which are there.
_VERBS: Final[list[tuple[str, Act, Verb]]] = [
    ("add", Act.USER_ADD, lambda who, name: who.users.add(f"new-{name}", PASSWORD)),
    ("password", Act.USER_PASSWORD, lambda who, name: who.users.set_password(name, "another fine password")),
    ("email", Act.USER_EMAIL, lambda who, name: who.users.set_email(name, f"{name}@example.com")),
    ("promote", Act.USER_PROMOTE, lambda who, name: who.users.set_admin(name, is_admin=True)),
    ("demote", Act.USER_DEMOTE, lambda who, name: who.users.set_admin(name, is_admin=False)),
    ("lock", Act.USER_LOCK, lambda who, name: who.users.set_active(name, is_active=False)),
    ("unlock", Act.USER_UNLOCK, lambda who, name: who.users.set_active(name, is_active=True)),
    ("organisation", Act.ORGANISATION_ADD, lambda who, name: who.organisations.add(f"new-org-{name}", name)),
    ("member", Act.MEMBER_SET, lambda who, name: who.organisations.set_member(f"org-{name}", "root", Place.MEMBER)),
    ("team", Act.TEAM_ADD, lambda who, name: who.organisations.add_team(f"org-{name}", "new")),
    ("join", Act.TEAM_JOIN, lambda who, name: who.organisations.join_team(f"org-{name}", "devs", "root")),
    ("grant", Act.GRANT_SET, lambda who, name: who.organisations.grant_to_team(f"org-{name}", "devs", _READ)),
    (
        "withdraw",
        Act.GRANT_WITHDRAW,
        lambda who, name: who.organisations.withdraw_from_team(f"org-{name}", "devs", "app*"),
    ),
    ("grant to one", Act.GRANT_SET, lambda who, name: who.organisations.grant_to_account(f"org-{name}", "root", _READ)),
    (
        "withdraw from one",
        Act.GRANT_WITHDRAW,
        lambda who, name: who.organisations.withdraw_from_account(f"org-{name}", "root", "app*"),
    ),
    ("leave", Act.TEAM_LEAVE, lambda who, name: who.organisations.leave_team(f"org-{name}", "devs", "root")),
    ("remove", Act.MEMBER_REMOVE, lambda who, name: who.organisations.remove_member(f"org-{name}", "root")),
    ("delete team", Act.TEAM_DELETE, lambda who, name: who.organisations.delete_team(f"org-{name}", "devs")),
    ("token", Act.TOKEN_ADD, lambda who, name: who.credentials.add_personal(name, "laptop", Terms())),
    (
        "token of an organisation",
        Act.TOKEN_ADD,
        lambda who, name: who.credentials.add_organisation(f"org-{name}", "all", Terms(), created_by="root"),
    ),
    ("robot", Act.ROBOT_ADD, lambda who, name: who.credentials.add_robot(f"org-{name}", "ci", _ROBOT, created_by="ann")),
    ("revoke", Act.TOKEN_REVOKE, _revoke),
    ("revoke a robot", Act.ROBOT_REVOKE, _revoke_robot),
    ("delete", Act.USER_DELETE, _delete),
]


async def _prepared(who: Accounts, name: str) -> None:
    if await who.users.is_empty():
        await who.users.add("root", PASSWORD, is_admin=True)
    await who.users.add(name, PASSWORD)
    await who.organisations.add(f"org-{name}", name)
    await who.organisations.set_member(f"org-{name}", "root", Place.EDITOR)
    await who.organisations.add_team(f"org-{name}", "devs")


def test_each_act_is_recorded_once_with_who_did_it(place: Settings, number: Iterator[int]) -> None:
    name = f"ann{next(number)}"

    async def scenario(who: Accounts) -> None:
        await _prepared(who, name)
        who.users, who.organisations = who.users.acting(_BY), who.organisations.acting(_BY)
        who.credentials = who.credentials.acting(_BY)
        reading = Reading(who.users._db)
        for what, act, verb in _VERBS:
            before = len(await reading.newest(Wanted(actor="root"), 1000))
            await verb(who, name)
            rows = await reading.newest(Wanted(actor="root"), 1000)
            assert [each.act for each in rows[: len(rows) - before]] == [act], what
            assert (rows[0].credential, rows[0].address, rows[0].outcome) == ("the-token", _CLIENT, "done"), what
            assert rows[0].namespace in (name, f"org-{name}", f"new-{name}", f"new-org-{name}"), what
            assert PASSWORD not in str(rows[0]), what
            assert "@" not in rows[0].details, what

    with_accounts(place, scenario)


def test_nothing_is_recorded_of_what_fails_or_changes_nothing(place: Settings, number: Iterator[int]) -> None:
    name = f"bob{next(number)}"

    async def scenario(who: Accounts) -> None:
        await _prepared(who, name)
        there, org = who.organisations, f"org-{name}"
        reading = Reading(who.users._db)
        before = await reading.newest(Wanted(), 1000)
        failing: list[Awaitable[Any]] = [
            who.users.add(name, PASSWORD),
            who.users.set_admin("root", is_admin=False),
            who.users.delete("nobody"),
            there.add(org, name),
            there.set_member(org, name, Place.MEMBER),
            there.remove_member(org, name),
            there.add_team(org, "devs"),
            there.leave_team(org, "devs", "root"),
            who.credentials.revoke("none"),
        ]
        for each in failing:
            with pytest.raises(EntrepotError):
                await each
        await there.withdraw_from_team(org, "devs", "app")
        await there.withdraw_from_account(org, "root", "app")
        assert await reading.newest(Wanted(), 1000) == before

    with_accounts(place, scenario)


def test_sign_ins_are_recorded_once_an_hour_and_failures_each_time(place: Settings, number: Iterator[int]) -> None:
    name = f"cleo{next(number)}"

    async def scenario(who: Accounts) -> None:
        await _prepared(who, name)
        made, secret = await who.credentials.add_personal(name, "laptop", Terms())
        for given in (PASSWORD, secret):
            for client in (_CLIENT, _CLIENT, "2001:db8::1"):
                who.users._proved.clear()  # as after a minute
                await who.identity.basic(name, given, client)
        for given in ("wrong password", "wrong password"):
            with pytest.raises(SignInRefused):
                await who.identity.basic(name, given, _CLIENT)
        await who.credentials.revoke(made.id)
        for _ in range(2):
            with pytest.raises(SignInRefused):
                await who.identity.basic(name, secret, _CLIENT)
        rows = await Reading(who.users._db).newest(Wanted(act="sign-in", namespace=name), 100)
        with_password, with_token = '{"with":"password"}', '{"with":"token"}'
        assert [(row.actor, row.outcome, row.details, row.credential, row.address) for row in reversed(rows)] == [
            (name, "done", with_password, "", _CLIENT),
            (name, "done", with_password, "", "2001:db8::1"),
            (name, "done", with_token, made.id, _CLIENT),
            (name, "done", with_token, made.id, "2001:db8::1"),
            ("anyone", "refused", with_password, "", _CLIENT),
            ("anyone", "refused", with_password, "", _CLIENT),
            ("anyone", "refused", with_token, made.id, _CLIENT),
        ]

    with_accounts(place, scenario)


def test_a_name_that_nobody_has_is_not_written_down(place: Settings, number: Iterator[int]) -> None:
    mistyped = f"secret{next(number)}"

    async def scenario(who: Accounts) -> None:
        with pytest.raises(SignInRefused):
            await who.identity.basic(mistyped, "dora", _CLIENT)
        (row, *_) = await Reading(who.users._db).newest(Wanted(act="sign-in"), 1)
        assert (row.actor, row.target, row.outcome) == ("anyone", "", "refused")
        assert mistyped not in str(row)

    with_accounts(place, scenario)


def test_deletions_and_visibility_are_recorded(place: Settings, number: Iterator[int]) -> None:
    name = RepositoryName.parse(f"eve{next(number)}/app")

    async def scenario() -> None:
        async with parts(place) as whole:
            there, stored = whole.registry, name.stored
            config, unnamed = await push_blob(whole, stored, b"{}"), await push_blob(whole, stored, b"unnamed")
            image = manifests.image(config)
            await there.manifests.push(_ACTOR, name, image, None, ["a", "b", "c"])
            await there.repositories.set_visibility(_ACTOR, name, public=False)
            await there.tags.delete(_ACTOR, name, "a")
            await there.manifests.delete(_ACTOR, name, image.digest)
            await there.blobs.delete(_ACTOR, name, unnamed)
            for again in (there.tags.delete(_ACTOR, name, "a"), there.blobs.delete(_ACTOR, name, Digest.of(b"none"))):
                with pytest.raises(EntrepotError):
                    await again
            rows = await Reading(whole.db).newest(Wanted(namespace=name.namespace), 100)
            assert {(row.actor, row.credential, row.address) for row in rows} == {("root", "the-token", _CLIENT)}
            assert [(row.act, row.target, row.details) for row in reversed(rows)] == [
                ("repository.visibility", stored, '{"public":false}'),
                ("tag.delete", f"{stored}:a", f'{{"digest":"{image.digest}"}}'),
                ("manifest.delete", f"{stored}@{image.digest}", '{"tags":2}'),
                ("blob.delete", f"{stored}@{unnamed}", "{}"),
            ]

    asyncio.run(scenario())


def test_what_is_done_to_names_and_plans_is_recorded(place: Settings, number: Iterator[int]) -> None:
    owner, plan = f"gil{next(number)}", f"plan{next(number)}"
    app, lib = RepositoryName.parse(f"{owner}/app"), RepositoryName.parse(f"{owner}/lib")

    async def scenario() -> None:
        async with parts(place) as whole:
            who, there = whole.accounts, whole.registry
            names, plans = there.names.acting(_BY), who.plans.acting(_BY)
            await who.users.add(owner, PASSWORD)
            await there.repositories.add(_ACTOR, app, public=True)
            await there.repositories.set_archived(_ACTOR, app, archived=True)
            await there.repositories.set_archived(_ACTOR, app, archived=False)
            await there.repositories.rename(_ACTOR, app, lib)
            await names.release(app.stored)
            await there.repositories.delete(_ACTOR, lib)
            await plans.put(msgspec.structs.replace(await plans.find("team"), name=plan))
            await plans.give(owner, plan)
            await plans.give(owner, "free")
            await plans.delete(plan)
            await names.rename(owner, f"new-{owner}", "user")
            rows = await Reading(who.users._db).newest(Wanted(actor="root"), 11)
            assert [row.act for row in reversed(rows)] == [
                *("repository.add", "repository.archive", "repository.archive", "repository.rename", "name.release"),
                *("repository.delete", "plan.set", "plan.give", "plan.give", "plan.delete", "namespace.rename"),
            ]
            assert {(row.credential, row.address) for row in rows} == {("the-token", _CLIENT)}

    asyncio.run(scenario())
