"""Who gets which page of an organisation, and whose forms do anything: the table, and what is hidden is absent."""

import re
from typing import Final

import pytest

from support.browsers import Browsers
from support.browsing import Browser
from support.http import Answer

pytestmark = pytest.mark.single
WHO: Final = ("owner", "editor", "member", "stranger", "nobody", "admin")
# What each of these gets: a page, a refusal that tells that it is there, nothing, or the sign-in.
OWNERS: Final = (200, 403, 403, 404, 303, 200)
EDITORS: Final = (200, 200, 403, 404, 303, 200)
MEMBERS: Final = (200, 200, 200, 404, 303, 200)
ADMINISTRATORS: Final = (403, 403, 403, 403, 303, 200)
PAGES: Final = {
    "/orgs/new": ADMINISTRATORS,
    "/orgs/team/members": MEMBERS,
    "/orgs/team/members/writer": OWNERS,
    "/orgs/team/teams": MEMBERS,
    "/orgs/team/teams/writers": MEMBERS,
    "/orgs/team/robots": EDITORS,
    "/orgs/team/robots/new": EDITORS,
    "/orgs/team/robots/new-token": OWNERS,
    "/orgs/team/pulls": OWNERS,
    "/orgs/team/audit": OWNERS,
    "/orgs/team/settings": OWNERS,
    "/r/team/app-public/-/access": EDITORS,
    "/r/team/app-private/-/access": (200, 200, 404, 404, 303, 200),
}
# Forms, with what they would do nothing by: whoever may send them is told so, and the next one too.
FORMS: Final = [
    ("/orgs/new", {"name": "No"}, ADMINISTRATORS),
    ("/orgs/team/members", {"do": "set", "who": "nemo", "role": "member"}, OWNERS),
    ("/orgs/team/members", {"do": "invite", "who": "nemo", "role": "member"}, OWNERS),
    ("/orgs/team/members", {"do": "revoke", "invitation": "none"}, OWNERS),
    ("/orgs/team/members/owner", {}, OWNERS),
    ("/orgs/team/teams", {"name": "No"}, OWNERS),
    ("/orgs/team/teams/writers", {"do": "join", "who": "nemo"}, OWNERS),
    ("/orgs/team/teams/writers", {"do": "leave", "who": "nemo"}, OWNERS),
    ("/orgs/team/teams/writers", {"do": "grant", "pattern": "No", "role": "read"}, OWNERS),
    ("/orgs/team/teams/writers", {"do": "delete", "name": "another"}, OWNERS),
    ("/orgs/team/robots/new", {"do": "make", "name": "No"}, EDITORS),
    ("/orgs/team/robots/new-token", {"do": "make", "name": ""}, OWNERS),
    ("/orgs/team/settings", {"do": "rename", "name": "another", "new": "next"}, OWNERS),
    ("/orgs/team/settings", {"do": "delete", "name": "team"}, OWNERS),
    ("/orgs/team/settings", {"do": "release", "former": "nothing"}, OWNERS),
    ("/r/team/app-public/-/access", {"do": "grant", "who": "nemo", "role": "read"}, EDITORS),
    ("/r/team/app-public/-/access", {"do": "withdraw", "who": "nemo", "pattern": "app-public"}, EDITORS),
]
# Forms that would do something, and what would be seen of it.
EFFECTS: Final = [
    ("/orgs/team/members", {"do": "set", "who": "stranger", "role": "owner"}),
    ("/orgs/team/members", {"do": "set", "who": "member", "role": "owner"}),
    ("/orgs/team/members/writer", {}),
    ("/orgs/team/teams", {"name": "taken-over"}),
    ("/orgs/team/teams/writers", {"do": "join", "who": "member"}),
    ("/orgs/team/teams/writers", {"do": "grant", "pattern": "*", "role": "admin"}),
    ("/orgs/team/teams/writers", {"do": "delete", "name": "writers"}),
    ("/orgs/team/settings", {"do": "private"}),
    ("/orgs/team/settings", {"do": "ask"}),
    ("/orgs/team/settings", {"do": "rename", "name": "team", "new": "mine"}),
    ("/r/team/app-public/-/access", {"do": "grant", "who": "stranger", "role": "admin"}),
]
LOOKED_AT: Final = ("members", "teams", "teams/writers", "settings", "robots")


def bare(answer: Answer, name: str) -> bytes:
    """Return a page without what is of one request, and without the name that was asked for."""
    return re.sub(rb'value="[0-9a-f]{96}"|lang=\w+|theme=\w+', b"", answer.content).replace(name.encode(), b"")


@pytest.mark.parametrize("path", PAGES)
def test_each_page_is_for_those_who_may(people: Browsers, path: str) -> None:
    assert tuple(people.of(who).get(path).status for who in WHO) == PAGES[path]
    assert people.of("nobody").get(path).headers["location"] == f"/sign-in?next={path}"


@pytest.mark.parametrize(("path", "fields", "told"), FORMS)
def test_each_form_is_taken_from_those_who_may(
    people: Browsers, path: str, fields: dict[str, str], told: tuple[int, ...]
) -> None:
    found = tuple(people.of(who).send(path, **fields).status for who in WHO)
    assert found == tuple(422 if each == 200 else each for each in told)


@pytest.mark.parametrize(("path", "fields"), EFFECTS)
def test_a_form_that_is_refused_changes_nothing(people: Browsers, path: str, fields: dict[str, str]) -> None:
    owner = people.of("owner")
    before = [bare(owner.get(f"/orgs/team/{each}"), "") for each in LOOKED_AT]
    for who in ("member", "stranger", "nobody"):
        people.of(who).send(path, **fields)
    assert owner.submit(path, fields, marked=False).status == 403
    for origin in ("https://elsewhere.example", "null"):
        assert owner.submit(path, fields, origin=origin).status == 403
    assert [bare(owner.get(f"/orgs/team/{each}"), "") for each in LOOKED_AT] == before


@pytest.mark.parametrize("rest", ["members", "members/owner", "teams", "teams/x", "robots", "pulls", "audit", "settings", ""])
def test_an_organisation_that_is_hidden_is_as_absent_as_one_that_is_not_there(people: Browsers, rest: str) -> None:
    stranger: Browser = people.of("stranger")
    for send in (stranger.get, lambda path: stranger.send(path, do="set", who="owner", role="owner")):
        hidden, absent, user = [send(f"/orgs/{name}/{rest}") for name in ("team", "gone", "owner")]
        assert hidden.status == absent.status == user.status == 404
        assert bare(hidden, "team") == bare(absent, "gone") == bare(user, "owner")


def test_of_what_there_is_not_an_administrator_has_no_pages_either(people: Browsers) -> None:
    admin = people.of("admin")
    for name in ("gone", "owner", "Gone", "a/b"):
        assert {admin.get(f"/orgs/{name}/{each}").status for each in ("members", "settings", "audit", "robots")} == {404}
    for path in (
        "/orgs/",
        "/orgs/team",
        "/orgs/team/",
        "/orgs/team/members/",
        "/orgs/team/audit/x",
        "/orgs/team/teams/x/y",
        "/me/x",
    ):
        assert admin.get(path).status == 404, path


def test_a_page_that_is_only_read_takes_no_form(people: Browsers) -> None:
    for path in ("/orgs/team/audit", "/orgs/team/pulls", "/orgs/team/robots", "/me/audit", "/u/team"):
        assert people.of("owner").send(path, do="anything").status == 404, path


def test_nobody_has_another_one_s_robots_and_log(people: Browsers) -> None:
    for path in ("/me/robots", "/me/robots/new", "/me/pulls", "/me/audit"):
        found = people.of("stranger").see(path)
        assert (found.status, "stranger" in found.text, "owner" in found.text) == (200, True, False)
        assert people.of("nobody").get(path).headers["location"] == f"/sign-in?next={path}"
    assert people.of("stranger").get("/me/robots/new-token").status in (403, 404)
