"""Profiles: what somebody publishes is shown to all who may see it, and nobody learns by them who there is."""

import re
from typing import Final

import pytest

from entrepot.app.parts import Accounts
from entrepot.domain.catalogue.model import Badge
from entrepot.domain.catalogue.service.kinds import Kinds
from support.accounts import with_accounts
from support.browsers import Browsers

pytestmark = pytest.mark.single
TABS: Final = {
    "nobody": (),
    "stranger": (),
    "reader": ("members", "teams"),
    "editor": ("members", "teams", "robots"),
    "owner": ("members", "teams", "robots", "pulls", "audit", "settings"),
    "admin": ("members", "teams", "robots", "pulls", "audit", "settings"),
}
SEEN: Final = {
    "nobody": {"team/app-public"},
    "stranger": {"team/app-public"},
    "collaborator": {"team/app-public", "team/app-private"},
    "member": {"team/app-public"},
    "reader": {"team/app-public", "team/app-private"},
    "editor": {"team/app-public", "team/app-private", "team/other"},
    "admin": {"team/app-public", "team/app-private", "team/other"},
}


@pytest.mark.parametrize("who", SEEN)
def test_a_profile_shows_the_images_that_the_reader_may_see(people: Browsers, who: str) -> None:
    found = people.of(who).see("/u/team")
    assert found.status == 200
    assert {link.removeprefix("/r/") for link in found.links if link.startswith("/r/team/")} == SEEN[who]
    assert "Community" in found.text


@pytest.mark.parametrize("who", TABS)
def test_a_profile_leads_where_the_reader_may_go(people: Browsers, who: str) -> None:
    links = people.of(who).see("/u/team").links
    assert tuple(link.removeprefix("/orgs/team/") for link in links if link.startswith("/orgs/team/")) == TABS[who]


@pytest.mark.parametrize("who", ["nobody", "stranger"])
def test_who_is_a_user_and_what_is_an_organisation_is_told_to_those_who_are_it(people: Browsers, who: str) -> None:
    text = people.of(who).see("/u/team").text
    assert "Organisation" not in text
    assert "images here since" in text
    inside = people.of("member").see("/u/team").text
    assert "Organisation · on this hub since" in inside
    own = people.of("stranger").see("/u/stranger")
    assert (own.status, "User · on this hub since" in own.text) == (200, True)
    assert [link for link in own.links if link.startswith("/me/")][-3:] == ["/me/robots", "/me/pulls", "/me/audit"]


@pytest.mark.parametrize("who", ["nobody", "stranger", "owner"])
@pytest.mark.parametrize("name", ["reader", "library", "Team", "a/b", "x" * 65, "admin"])
def test_who_publishes_nothing_is_as_absent_as_who_is_not_there(people: Browsers, who: str, name: str) -> None:
    answers = [people.of(who).get(f"/u/{each}") for each in (name, "absent")]
    hidden, absent = (re.sub(rb'value="[0-9a-f]{96}"|/u/[^"]*|next=[^"]*', b"", answer.content) for answer in answers)
    assert (answers[0].status, hidden) == (404, absent)


def test_an_administrator_is_told_of_all_that_there_is_and_of_nothing_else(people: Browsers) -> None:
    admin = people.of("admin")
    assert "User · on this hub since" in admin.see("/u/reader").text
    assert admin.see("/u/absent").status == 404


def test_images_lead_to_who_publishes_them(people: Browsers) -> None:
    nobody = people.of("nobody")
    assert "/u/team" in nobody.see("/").links
    found = nobody.see("/r/team/app-public")
    assert "/u/team" in found.links
    assert "Published by team" in found.text


def test_further_images_are_reached_without_jumps(people: Browsers) -> None:
    after = people.of("nobody").see("/u/team?after=team/app-public")
    assert "There are no further images." in after.text
    assert "/u/team" in after.links
    assert people.of("nobody").see("/u/absent?after=team/app-public").status == 404


def test_a_publisher_that_was_checked_has_its_hallmark(people: Browsers) -> None:
    async def grant(who: Accounts) -> None:
        await Kinds(who.users._db, who.rule).grant("team", Badge.VERIFIED, "its domain")

    with_accounts(people.place, grant)
    text = people.of("nobody").see("/u/team?lang=fr").text
    assert "Éditeur vérifié" in text
    assert "its domain" not in text
