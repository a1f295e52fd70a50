"""Organisations by their pages: making one, its members, invitations into it, its settings, its name and its end."""

import re
from typing import Final

import pytest

from entrepot.app.parts import Accounts
from entrepot.domain.accounts.model import InNamespace, Place
from entrepot.domain.plans.model import Plan
from support.accounts import with_accounts
from support.browsers import Browsers
from support.modes import change
from support.reading import Read

pytestmark = pytest.mark.single
MEMBERS: Final = "/orgs/team/members"


def standing(people: Browsers, who: str, namespace: str = "team") -> InNamespace:
    async def look(accounts: Accounts) -> InNamespace:
        return await accounts.organisations.standing((await accounts.users.find(who)).id, namespace)

    return with_accounts(people.place, look)


def test_an_administrator_makes_an_organisation_for_somebody(people: Browsers) -> None:
    admin = people.of("admin")
    assert "/orgs/new" in admin.see("/me").links
    assert "/orgs/new" not in people.of("owner").see("/me").links
    made = admin.send("/orgs/new", name="acme", owner="stranger")
    assert (made.status, made.headers["location"]) == (303, "/orgs/acme/members")
    assert standing(people, "stranger", "acme").place is Place.OWNER
    assert "acme" in people.of("stranger").see("/me?of=acme").text


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"name": "Acme"}, "“Acme” cannot be a name."),
        ({"name": "team"}, "The name “team” is taken, or kept for the hub itself."),
        ({"name": "orgs"}, "The name “orgs” is taken"),
        ({"name": "library"}, "The name “library” is taken"),
        ({"name": "fresh", "owner": "nemo"}, "There is no user “nemo” on this hub."),
    ],
)
def test_what_of_a_new_organisation_cannot_be_is_told_and_stays(people: Browsers, fields: dict[str, str], said: str) -> None:
    answer = people.of("admin").send("/orgs/new", **fields)
    assert (answer.status, said in Read(answer).text) == (422, True), answer
    assert f'value="{fields["name"]}"' in answer.content.decode()


def test_members_are_added_given_another_role_and_taken_out(people: Browsers) -> None:
    owner = people.of("owner")
    assert owner.send(MEMBERS, do="set", who=" stranger ", role="member").status == 303
    assert "stranger" in owner.see(MEMBERS).text
    owner.send(MEMBERS, do="set", who="stranger", role="editor")
    assert standing(people, "stranger").place is Place.EDITOR
    asked = owner.see(f"{MEMBERS}/stranger")
    assert "Remove stranger from team?" in asked.text
    assert "Role here: Editor." in asked.text
    assert standing(people, "stranger").place is Place.EDITOR
    done = owner.send(f"{MEMBERS}/stranger")
    assert (done.status, done.headers["location"]) == (303, MEMBERS)
    assert standing(people, "stranger").place is None
    assert owner.get(f"{MEMBERS}/stranger").status == 404


def test_somebody_leaves_by_themselves_and_the_last_owner_stays(people: Browsers) -> None:
    owner = people.of("owner")
    assert "Teams: maintainers." in people.of("maintainer").see(f"{MEMBERS}/maintainer").text
    left = people.of("maintainer").send(f"{MEMBERS}/maintainer")
    assert (left.status, left.headers["location"]) == (303, "/me")
    assert standing(people, "maintainer") == InNamespace("organisation")
    for answer in (owner.send(f"{MEMBERS}/owner"), owner.send(MEMBERS, do="set", who="owner", role="member")):
        assert (answer.status, "owner is the last owner." in Read(answer).text) == (422, True)
    assert standing(people, "owner").place is Place.OWNER


def test_somebody_is_invited_by_a_link_that_is_shown_once(people: Browsers) -> None:
    owner = people.of("owner")
    made = owner.send(MEMBERS, do="invite", who="stranger", role="editor")
    assert (made.status, made.headers["cache-control"]) == (200, "no-store")
    found = re.search(rb'<code id="link"[^>]*>http://[^/]+(/accounts/links/[^<]+)</code>', made.content)
    assert found
    link = found[1].decode()
    assert link not in owner.get(MEMBERS).content.decode()
    assert people.of("stranger").send(link).status == 303
    assert standing(people, "stranger").place is Place.EDITOR
    owner.send(f"{MEMBERS}/stranger")


def test_an_invitation_is_listed_until_it_is_taken_back(people: Browsers) -> None:
    owner = people.of("owner")
    made = owner.send(MEMBERS, do="invite", who="someone@example.com", role="member")
    assert "someone@example.com" in Read(made).text
    (id_,) = re.findall(r'name="invitation" value="([^"]+)"', owner.get(MEMBERS).content.decode())
    assert "someone@example.com" not in people.of("editor").see(MEMBERS).text
    assert owner.send(MEMBERS, do="revoke", invitation=id_).status == 303
    assert "someone@example.com" not in owner.see(MEMBERS).text
    again = owner.send(MEMBERS, do="revoke", invitation=id_)
    assert "used, has ended or was taken back meanwhile" in Read(again).text


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"do": "set", "who": "nemo<b>"}, "There is no user “nemo<b>” on this hub."),
        ({"do": "invite", "who": "a@b@c"}, "“a@b@c” is no address of mail."),
    ],
)
def test_who_cannot_be_invited_is_told_and_stays(people: Browsers, fields: dict[str, str], said: str) -> None:
    answer = people.of("owner").send(MEMBERS, role="editor", **fields)
    found = Read(answer)
    assert (answer.status, said in found.text, found.stray) == (422, True, [])
    assert '<option value="editor" selected>' in answer.content.decode()
    assert people.of("owner").send(MEMBERS, do="set", who="stranger", role="king").status == 404
    assert people.of("owner").send(MEMBERS, do="crown", who="stranger").status == 404


@pytest.mark.parametrize(
    ("who", "action", "image", "said"),
    [
        ("writer", "push", "app-x", "Yes. The team writers gives “write” on team/app-*."),
        ("writer", "delete", "team/app-x:v1", "No. Neither their role here"),
        ("writer", "push", "other", "No. Neither their role here"),
        ("reader", "pull", "app-private", "Yes. The team readers gives “read” on team/app-*."),
        ("member", "pull", "app-private", "No."),
        ("member", "pull", "app-public", "Yes. Everybody may pull this image."),
        ("collaborator", "push", "app-private", "Yes. They were given “write” on team/app-*."),
        ("editor", "configure", "anything", "Yes. editor is here as: Editor."),
        ("admin", "push", "app-private", "No. Neither their role here"),
        ("nemo", "push", "app", "There is no user “nemo” on this hub."),
        ("owner", "push", "A B", "“A B” is no name of an image."),
    ],
)
def test_whether_somebody_may_do_something_is_told_with_the_reason(
    people: Browsers, who: str, action: str, image: str, said: str
) -> None:
    path = f"{MEMBERS}?who={who}&action={action}&image={image.replace(' ', '%20')}"
    assert said in people.of("owner").see(path).text
    assert said not in people.of("editor").see(path).text


def test_whether_somebody_has_a_second_factor_is_not_told_by_that(people: Browsers) -> None:
    admin, path = people.of("admin"), f"{MEMBERS}?action=push&image=app-x&who="
    admin.send("/orgs/team/settings", do="ask")
    assert "on team/app-*. Only with a second factor, which this organisation asks for." in admin.see(f"{path}writer").text
    assert "Only with a second factor" not in admin.see(f"{path}stranger").text
    for rest in ("members", "teams", "robots", "settings"):
        told = people.of("owner").see(f"/orgs/team/{rest}")
        assert (told.status, "/me/account#factor" in told.links) == (403, True), rest
    assert people.of("stranger").get(MEMBERS).status == 404
    admin.send("/orgs/team/settings", do="ask-no-more")


def test_beyond_the_plan_nobody_is_added_and_the_plan_says_why(people: Browsers) -> None:
    async def give(who: Accounts) -> None:
        await who.plans.put(Plan("narrow", 1, None, None, None, 1, 0, ()))
        await who.plans.give("narrow", "narrow")

    people.of("admin").send("/orgs/new", name="narrow")
    with_accounts(people.place, give)
    answer = people.of("admin").send("/orgs/narrow/members", do="set", who="stranger", role="member")
    assert (answer.status, "its plan narrow allows no more" in Read(answer).text) == (422, True)


def test_nobody_invites_without_end(people: Browsers) -> None:
    people.of("admin").send("/orgs/new", name="crowd", owner="stranger")
    found = [
        people.of("stranger").send("/orgs/crowd/members", do="invite", who=f"a{number}@example.com", role="member")
        for number in range(12)
    ]
    assert [each.status for each in found] == [200] * 10 + [429] * 2
    assert "Too many tries. The next one is possible in" in Read(found[-1]).text


def test_settings_are_changed_at_once(people: Browsers) -> None:
    stranger = people.of("stranger")
    people.of("admin").send("/orgs/new", name="shop", owner="stranger")
    for do, said in (("private", "What a push makes here is private"), ("public", "What a push makes here is public")):
        assert stranger.send("/orgs/shop/settings", do=do).headers["location"] == "/orgs/shop/settings"
        assert said in stranger.see("/orgs/shop/settings").text
    assert "you would shut yourself out" in stranger.see("/orgs/shop/settings").text
    assert stranger.send("/orgs/shop/settings", do="ask").headers["location"] == "/me"
    for path in ("/orgs/shop/settings", "/u/shop"):
        assert "shop asks its members for a second factor" in stranger.see(path).text
        assert people.of("owner").get(path).status == 404
    assert people.of("admin").send("/orgs/shop/settings", do="ask-no-more").status == 303
    assert stranger.get("/orgs/shop/settings").status == 200
    assert stranger.send("/orgs/shop/settings", do="burn").status == 404


def test_an_organisation_is_renamed_its_former_name_released_and_it_deleted(people: Browsers) -> None:
    admin = people.of("admin")
    admin.send("/orgs/new", name="first")
    settings = "/orgs/second/settings"
    refused = [
        admin.send("/orgs/first/settings", do="rename", name=typed, new=new) for typed, new in (("x", "y"), ("first", "team"))
    ]
    assert ["another one" in Read(refused[0]).text, "“team” is taken" in Read(refused[1]).text] == [True, True]
    assert 'value="team"' in refused[1].content.decode()
    assert admin.send("/orgs/first/settings", do="rename", name="first", new="second").headers["location"] == settings
    assert admin.get("/orgs/first/settings").status == 404
    assert admin.send("/orgs/new", name="first").status == 422
    assert "“team” is no former name of it." in Read(admin.send(settings, do="release", former="team")).text
    assert admin.send(settings, do="release", former="first").status == 303
    assert "Former names" not in admin.see(settings).text
    assert admin.send("/orgs/new", name="first").status == 303
    assert "There are repositories in it." in Read(admin.send("/orgs/team/settings", do="delete", name="team")).text
    assert admin.send(settings, do="delete", name="first").status == 422
    assert admin.send(settings, do="delete", name="second").headers["location"] == "/me"
    assert admin.get(settings).status == 404


def test_while_the_registry_is_read_only_nothing_is_changed(people: Browsers) -> None:
    owner = people.of("owner")
    change(people.place, read_only=True, reason="a move")
    try:
        for path, fields in (
            (MEMBERS, {"do": "set", "who": "stranger", "role": "member"}),
            ("/orgs/team/teams", {"name": "late"}),
            ("/orgs/team/settings", {"do": "private"}),
            ("/orgs/team/robots/new", {"name": "late", "pattern0": "app", "role0": "read"}),
            ("/r/team/app-public/-/access", {"do": "grant", "who": "stranger", "role": "read"}),
        ):
            answer = owner.send(path, **fields)
            assert (answer.status, "read-only at the moment" in Read(answer).text) == (503, True), path
    finally:
        change(people.place, read_only=False)
    assert standing(people, "stranger").place is None


def test_a_name_from_elsewhere_does_nothing_in_a_page(people: Browsers) -> None:
    async def grant(who: Accounts) -> None:
        await who.organisations.add_team("team", "odd", '<script>x()</script>"')

    with_accounts(people.place, grant)
    for path in ("/orgs/team/teams", "/orgs/team/teams/odd"):
        answer = people.of("owner").get(path)
        assert b"<script>x" not in answer.content
        assert '<script>x()</script>"' in Read(answer).text


@pytest.mark.parametrize(
    "path",
    [
        *(f"/orgs/team/{each}" for each in ("members", "members/editor", "teams", "teams/writers", "robots", "robots/new")),
        *(f"/orgs/team/{each}" for each in ("robots/new-token", "pulls", "audit", "settings")),
        *("/orgs/new", "/me/robots", "/me/pulls", "/me/audit", "/u/team", "/r/team/app-private/-/access"),
    ],
)
def test_the_pages_are_whole_in_french(people: Browsers, path: str) -> None:
    found = people.of("admin").see(f"{path}?lang=fr")
    assert (found.status, found.language) == (200, "fr")
    assert "é" in found.text
