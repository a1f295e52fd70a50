"""Robots, and tokens of an organisation, by pages: made with a form, shown once, revoked by those who may."""

import re
from typing import Final

import pytest

from support.accounts import basic
from support.browsers import Browsers
from support.http import Answer
from support.reading import Read

pytestmark = pytest.mark.single
ROBOTS: Final = "/orgs/team/robots"
FIELDS: Final = {"pattern0": "team/app-*", "role0": "read", "pattern1": "other", "role1": "write", "networks": "", "days": "90"}


def secret_in(answer: Answer) -> str:
    found = re.search(rb'<code id="secret"[^>]*>([^<]+)</code>', answer.content)
    assert found, answer
    return found.group(1).decode()


def signs_in(people: Browsers, name: str, secret: str) -> bool:
    answer = people.at.request("GET", "/api/v1/user", auth=basic(name, secret))
    return answer.status == 200 and answer.json["name"] == name


def id_of(people: Browsers, who: str, name: str) -> str:
    text = people.of(who).get(ROBOTS).content.decode()
    (found,) = re.findall(rf'href="{ROBOTS}/([0-9a-f-]{{36}})" aria-label="Revoke {name}"', text)
    return str(found)


def test_a_robot_that_was_made_signs_in_until_it_is_revoked(people: Browsers) -> None:
    editor = people.of("editor")
    made = editor.send(f"{ROBOTS}/new", do="make", name="ci", **FIELDS)
    assert (made.status, made.headers["cache-control"]) == (200, "no-store")
    said = Read(made).text
    assert "The robot team+ci is made" in said
    assert "May read team/app-*, write team/other, until" in said
    assert "--username team+ci" in said
    secret = secret_in(made)
    assert signs_in(people, "team+ci", secret)
    listed = editor.get(ROBOTS).content.decode()
    assert secret not in listed
    assert "made by editor on" in Read(editor.get(ROBOTS)).text
    path = f"{ROBOTS}/{id_of(people, 'editor', 'ci')}"
    assert "Revoke the robot team+ci?" in editor.see(path).text
    assert signs_in(people, "team+ci", secret), "asking revokes nothing"
    assert editor.send(path).headers["location"] == ROBOTS
    assert not signs_in(people, "team+ci", secret)
    assert "It signs in no more already." in editor.see(path).text


def test_a_token_of_the_organisation_is_the_owners_own(people: Browsers) -> None:
    owner, editor = people.of("owner"), people.of("editor")
    made = owner.send(f"{ROBOTS}/new-token", do="make", name="mirror", scope="write", repositories="team/*", tags="v*", days="")
    assert "May pull and push everything of the organisation, only in team/*, only tags v*." in Read(made).text
    secret = secret_in(made)
    assert signs_in(people, "team", secret)
    assert "mirror" not in editor.see(ROBOTS).text
    path = f"{ROBOTS}/{id_of(people, 'owner', 'mirror')}"
    assert [editor.get(path).status, editor.send(path).status, people.of("member").get(path).status] == [404, 404, 403]
    assert signs_in(people, "team", secret)
    assert owner.send(path).status == 303
    assert not signs_in(people, "team", secret)


def test_a_robot_of_one_s_own_is_nobody_else_s(people: Browsers) -> None:
    stranger, owner = people.of("stranger"), people.of("owner")
    made = stranger.send("/me/robots/new", do="make", name="bot", pattern0="app", role0="admin", days="30")
    assert "May administer stranger/app, until" in Read(made).text
    (path,) = re.findall(r'href="(/me/robots/[0-9a-f-]{36})"', stranger.get("/me/robots").content.decode())
    id_ = path.rpartition("/")[2]
    for other in (f"/me/robots/{id_}", f"{ROBOTS}/{id_}", "/orgs/stranger/robots"):
        assert owner.get(other).status == 404, other
        assert owner.send(other).status == 404, other
    assert signs_in(people, "stranger+bot", secret_in(made))
    assert stranger.send(path).headers["location"] == "/me/robots"


def test_a_personal_token_is_not_revoked_by_these_pages(people: Browsers) -> None:
    made = people.of("owner").send("/me/tokens", name="mine", scope="read", repositories="", tags="", networks="", days="30")
    secret = secret_in(made)
    text = people.of("owner").get("/me/tokens").content.decode()
    for id_ in re.findall(r'href="/me/tokens/([0-9a-f-]{36})"', text):
        assert people.of("owner").send(f"{ROBOTS}/{id_}").status == 404
        assert people.of("owner").send(f"/me/robots/{id_}").status == 404
    assert signs_in(people, "owner", secret)


@pytest.mark.parametrize(
    ("form", "fields", "said", "at"),
    [
        ("new", {"name": "No Robot"}, "small letters, digits, and . _ - between them", "name"),
        ("new", {"name": "read"}, "There is a robot “read” already.", "name"),
        ("new", {"name": "kept", "pattern0": "", "pattern1": ""}, "Give it at least one right.", "pattern0"),
        ("new", {"name": "kept", "pattern1": "Big"}, "“Big” is no name of repositories", "pattern0"),
        ("new", {"name": "kept", "networks": "10.0.0.0/99"}, "“10.0.0.0/99” is no network", "networks"),
        ("new", {"name": "kept", "days": "4000"}, "Choose one of these.", "days"),
        ("new-token", {"name": "", "scope": "read"}, "A name has one line and 1 to 100 characters.", "name"),
        ("new-token", {"name": "kept", "scope": "read", "tags": "a/b"}, "“a/b” is no tag", "tags"),
        ("new-token", {"name": "kept", "scope": "read", "repositories": "Big"}, "“Big” is no name", "repositories"),
    ],
)
def test_what_cannot_be_read_is_told_at_its_field_and_the_rest_stays(
    people: Browsers, form: str, fields: dict[str, str], said: str, at: str
) -> None:
    answer = people.of("owner").send(f"{ROBOTS}/{form}", do="make", **{**FIELDS, **fields})
    found, text = Read(answer), answer.content.decode()
    assert (answer.status, said in found.text, found.stray, f'href="#{at}"' in text) == (422, True, [], True)
    assert f'value="{fields["name"]}"' in text
    assert "kept" not in people.of("owner").see(ROBOTS).text


def test_a_form_has_more_rows_when_they_are_asked_for(people: Browsers) -> None:
    answer = people.of("owner").send(f"{ROBOTS}/new", do="more", name="ci", **FIELDS)
    text = answer.content.decode()
    assert (answer.status, "pattern4" in text, "pattern5" in text, 'value="app-*"' in text) == (200, True, False, True)
    many = {f"pattern{number}": f"app{number}" for number in range(40)}
    full = people.of("owner").send(f"{ROBOTS}/new", do="more", name="ci", **many).content.decode()
    assert ("pattern29" in full, "pattern30" in full, 'value="more"' in full) == (True, False, False)
