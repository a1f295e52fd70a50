"""Teams by their pages, and who may do what with an image: what is given is in force at once, and so is its end."""

from typing import Final

import pytest

from support.browsers import Browsers
from support.reading import Read

pytestmark = pytest.mark.single
TEAMS: Final = "/orgs/team/teams"
ACCESS: Final = "/r/team/app-private/-/access"
IMAGE: Final = "/r/team/other"


def test_a_team_gives_its_members_what_it_is_given(people: Browsers) -> None:
    owner, member = people.of("owner"), people.of("member")
    made = owner.send(TEAMS, name="shop", description=" Sells  things ")
    assert (made.status, made.headers["location"]) == (303, f"{TEAMS}/shop")
    assert "Sells things" in member.see(TEAMS).text
    owner.send(f"{TEAMS}/shop", do="join", who="member")
    assert member.get(IMAGE).status == 404
    assert owner.send(f"{TEAMS}/shop", do="grant", pattern="team/oth*", role="read").status == 303
    assert member.get(IMAGE).status == 200
    seen = member.see(f"{TEAMS}/shop")
    assert "team/oth* read May pull." in seen.text
    assert "Take out" not in seen.text
    owner.send(f"{TEAMS}/shop", do="withdraw", pattern="oth*")
    assert member.get(IMAGE).status == 404
    owner.send(f"{TEAMS}/shop", do="grant", pattern="*", role="write")
    assert member.get(IMAGE).status == 200
    owner.send(f"{TEAMS}/shop", do="leave", who="member")
    assert member.get(IMAGE).status == 404


def test_a_team_is_deleted_once_its_name_is_typed(people: Browsers) -> None:
    owner, reader = people.of("owner"), people.of("reader")
    refused = owner.send(f"{TEAMS}/readers", do="delete", name="Readers")
    assert (refused.status, "The name that you typed is another one." in Read(refused).text) == (422, True)
    assert reader.get("/r/team/app-private").status == 200
    assert owner.send(f"{TEAMS}/readers", do="delete", name="readers").headers["location"] == TEAMS
    assert reader.get("/r/team/app-private").status == 404
    assert owner.get(f"{TEAMS}/readers").status == 404


@pytest.mark.parametrize(
    ("path", "fields", "said"),
    [
        (TEAMS, {"name": "No Team"}, "“No Team” cannot be a name."),
        (TEAMS, {"name": "writers"}, "There is a team “writers” already."),
        (f"{TEAMS}/writers", {"do": "join", "who": "nemo"}, "There is no user “nemo” on this hub."),
        (f"{TEAMS}/writers", {"do": "join", "who": "stranger"}, "“stranger” is not in it: add them first."),
        (f"{TEAMS}/writers", {"do": "grant", "pattern": "Big", "role": "read"}, "“Big” is no name of repositories"),
        (ACCESS, {"do": "grant", "who": "nemo", "role": "write"}, "There is no user “nemo” on this hub."),
    ],
)
def test_what_cannot_be_given_is_told_and_stays_in_the_form(
    people: Browsers, path: str, fields: dict[str, str], said: str
) -> None:
    answer = people.of("owner").send(path, **fields)
    found = Read(answer)
    assert (answer.status, said in found.text, found.stray) == (422, True, [])
    typed = fields.get("pattern") or fields.get("who") or fields["name"]
    assert f'value="{typed}"' in answer.content.decode()
    assert people.of("owner").send(f"{TEAMS}/writers", do="grant", pattern="app", role="rule").status == 404
    assert people.of("owner").send(f"{TEAMS}/gone", do="join", who="member").status == 404


def test_an_image_tells_who_may_do_what_with_it(people: Browsers) -> None:
    editor = people.of("editor")
    assert ACCESS in editor.see("/r/team/app-private/-/settings").links
    assert ACCESS not in people.of("maintainer").see("/r/team/app-private/-/settings").links
    text = editor.see(ACCESS).text
    for said in (
        *("collaborator write May pull, push and move tags. team/app-*", "Team writers write", "owner everything with it Owner"),
        *("team+admin administer", "Nobody else sees this image"),
    ):
        assert said in text, said
    assert "collaborator" not in editor.see("/r/team/other/-/access").text
    assert "Everybody may pull this image" in editor.see("/r/team/app-public/-/access").text


def test_somebody_is_let_in_to_one_image_and_out_again(people: Browsers) -> None:
    editor, stranger = people.of("editor"), people.of("stranger")
    assert stranger.get("/r/team/app-private").status == 404
    assert editor.send(ACCESS, do="grant", who="stranger", role="read").headers["location"] == ACCESS
    assert stranger.get("/r/team/app-private").status == 200
    assert stranger.get(ACCESS).status == 404
    assert stranger.get(IMAGE).status == 404
    assert "stranger read May pull. this one alone" in editor.see(ACCESS).text
    editor.send(ACCESS, do="withdraw", who="stranger", pattern="app-private")
    assert stranger.get("/r/team/app-private").status == 404
    assert editor.send(ACCESS, do="burn", who="stranger").status == 404


def test_an_image_of_one_s_own_has_no_organisation(people: Browsers) -> None:
    people.of("admin").send("/orgs/new", name="acme", owner="stranger")
    for name in ("absent", "app-public"):
        path = f"/r/stranger/{name}/-/access"
        assert [people.of(who).get(path).status for who in ("owner", "stranger", "admin")] == [404] * 3
