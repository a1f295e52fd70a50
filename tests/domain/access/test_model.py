"""Who may do what: the table, the roles that somebody has somewhere, and what a credential leaves of them."""

from itertools import pairwise
from typing import Final

import pytest

from entrepot.domain.access.model import ALLOWED, ANYONE, CEILINGS, Action, Actor, Role, may, roles
from entrepot.domain.accounts.model import Grant, Held, InNamespace, Place, Scope, Terms

pytestmark = pytest.mark.fast

CONTENT: Final = frozenset({Action.PULL, Action.PUSH, Action.DELETE})
ANN: Final = Actor("ann", account=1)
# The table once more, by hand: what each role may do with a repository's content.
BY_HAND: Final = {
    Role.ANYONE: {Action.PULL},
    Role.READER: {Action.PULL},
    Role.WRITER: {Action.PULL, Action.PUSH},
    Role.MAINTAINER: CONTENT,
    Role.MEMBER: set(),
    Role.EDITOR: CONTENT,
    Role.OWNER: CONTENT,
    Role.ADMINISTRATOR: CONTENT,
    Role.EVERYBODY: CONTENT,
}


def held(**roles_: str) -> tuple[Held, ...]:
    return tuple(Held(pattern, Grant(role)) for pattern, role in roles_.items())


@pytest.mark.parametrize("role", Role)
def test_each_role_may_do_with_content_what_is_said_of_it(role: Role) -> None:
    assert ALLOWED[role] & CONTENT == BY_HAND[role]


def test_only_owners_manage_and_only_administrators_administer() -> None:
    assert {role for role in Role if Action.MANAGE in ALLOWED[role]} == {Role.OWNER, Role.ADMINISTRATOR, Role.EVERYBODY}
    assert {role for role in Role if Action.ADMINISTER in ALLOWED[role]} == {Role.ADMINISTRATOR, Role.EVERYBODY}


def test_each_scope_contains_the_ones_before_it() -> None:
    ceilings = [CEILINGS[scope] for scope in Scope]
    assert all(before < after for before, after in pairwise(ceilings))


def test_a_place_in_an_organisation_gives_its_role_everywhere_there() -> None:
    for place, role in ((Place.MEMBER, Role.MEMBER), (Place.EDITOR, Role.EDITOR), (Place.OWNER, Role.OWNER)):
        assert roles(ANN, InNamespace("organisation", place), "team/app") == {role}


def test_a_grant_is_for_the_names_of_its_pattern() -> None:
    standing = InNamespace("organisation", Place.MEMBER, held(app="read", **{"backend/*": "write"}))
    assert roles(ANN, standing, "team/app") == {Role.MEMBER, Role.READER}
    assert roles(ANN, standing, "team/backend/api") == {Role.MEMBER, Role.WRITER}
    assert roles(ANN, standing, "team/apple") == {Role.MEMBER}


def test_nobody_has_no_role_where_nothing_is_granted() -> None:
    assert roles(ANYONE, InNamespace("user"), "ann/app") == set()


def test_a_robot_has_its_grants_in_its_own_namespace_alone() -> None:
    robot = Actor("team+ci", credential="x", owner="team", terms=Terms(Scope.DELETE, grants=held(app="write")))
    assert roles(robot, InNamespace("organisation"), "team/app") == {Role.WRITER}
    assert roles(robot, InNamespace("organisation"), "team/other") == set()
    assert roles(robot, InNamespace("organisation"), "other/app") == set()


def test_an_organisations_token_does_what_its_scope_says_in_its_own_namespace_alone() -> None:
    token = Actor("team", credential="x", owner="team", terms=Terms(Scope.WRITE))
    assert may(token, Action.PUSH, roles(token, InNamespace("organisation"), "team/app"), "team/app")
    assert not may(token, Action.DELETE, roles(token, InNamespace("organisation"), "team/app"), "team/app")
    assert roles(token, InNamespace("organisation"), "other/app") == set()


@pytest.mark.parametrize("scope", Scope)
@pytest.mark.parametrize("action", sorted(CONTENT))
def test_a_token_allows_no_more_than_its_scope(scope: Scope, action: Action) -> None:
    token = Actor("ann", account=1, credential="x", terms=Terms(scope))
    assert may(token, action, {Role.OWNER}, "ann/app") == (action in CEILINGS[scope])


def test_a_token_does_not_make_more_of_a_role() -> None:
    token = Actor("ann", account=1, credential="x", terms=Terms(Scope.ADMIN))
    assert not may(token, Action.PUSH, {Role.READER}, "team/app")


def test_a_token_for_some_repositories_and_tags_allows_nothing_elsewhere() -> None:
    token = Actor("ann", account=1, credential="x", terms=Terms(Scope.WRITE, ("team/app", "team/web-*"), ("dev-*",)))
    assert may(token, Action.PUSH, {Role.OWNER}, "team/web-shop", ["dev-1"])
    assert not may(token, Action.PUSH, {Role.OWNER}, "team/other", ["dev-1"])
    assert not may(token, Action.PUSH, {Role.OWNER}, "team/app", ["dev-1", "latest"])
    assert may(token, Action.PULL, {Role.OWNER}, "team/app", ["latest"])
