"""The matrix on the JSON interface: each kind of person and credential, each action, public and private."""

import itertools
from typing import Final, NamedTuple

import pytest

from entrepot.web.api.application import paths
from support.everybody import WHO
from support.http import Answer
from support.wire import plain_headers
from web.api.conftest import TAGS, Hub

# What somebody may do beside what the table of people says: (con)f(igure), s(ee members), g(rant), m(anage), a(dminister).
MORE: Final = {
    **dict.fromkeys(("member", "reader", "writer"), "s"),
    "maintainer": "fs",
    "editor": "fsg",
    "owner": "fsgm",
    "admin": "fsgma",
    "robot, admin": "f",
}
# Who belongs to the organisation, or is a token of its: they are told that they may not.
INSIDERS: Final = ("team, token write", "robot, read", "robot, write", "robot, admin")
_count: Final = itertools.count()


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.long)])
def database(request: pytest.FixtureRequest) -> str:
    return str(request.param)


class Action(NamedTuple):
    """A request and the letter of those who may send it."""

    letter: str
    method: str
    path: str
    status: int
    body: object = None


def in_repository(name: str, tag: str) -> list[Action]:
    """Return what can be done to a repository; whoever deletes the tag does so once."""
    ours, hubs = f"/api/v1/repositories/{name}", f"/v2/repositories/{name}"
    change = {"is_private": name.endswith("private")}
    return [
        Action("r", "GET", ours, 200),
        Action("r", "GET", f"{ours}/tags", 200),
        Action("r", "GET", f"{ours}/tags/v1", 200),
        Action("r", "GET", f"{ours}/tags/v1/history", 200),
        Action("r", "GET", f"{ours}/categories", 200),
        Action("f", "PUT", f"{ours}/categories", 204, {"categories": []}),
        Action("r", "GET", f"{ours}/star", 200),
        Action("f", "PATCH", ours, 200, change),
        Action("d", "DELETE", f"{ours}/tags/{tag}", 204),
        Action("r", "GET", f"{hubs}/", 200),
        Action("r", "GET", f"{hubs}/tags/", 200),
        Action("r", "HEAD", f"{hubs}/tags/v1/", 200),
        Action("f", "PATCH", f"{hubs}/", 200, change),
        Action("d", "DELETE", f"/v2/namespaces/team/repositories/{name.partition('/')[2]}/tags/v0", 404),
    ]


def in_organisation() -> list[Action]:
    """Return what can be done to the organisation, each thing that is made with its end behind it."""
    number = next(_count)
    team, robots, tokens = "/api/v1/organisations/team", "/api/v1/namespaces/team/robots", "/api/v1/organisations/team/tokens"
    grant = "/api/v1/namespaces/team/grants/stranger/app-none"
    return [
        *(Action("s", "GET", f"{team}{rest}", 200) for rest in ("", "/members", "/teams", "/teams/readers")),
        Action("m", "PUT", f"{team}/members/stranger", 204, {"role": "member"}),
        Action("m", "PUT", f"{team}/teams/readers/members/stranger", 204, {}),
        Action("m", "DELETE", f"{team}/teams/readers/members/stranger", 204),
        Action("m", "DELETE", f"{team}/members/stranger", 204),
        Action("m", "POST", f"{team}/teams", 201, {"name": f"team-{number}"}),
        Action("m", "PUT", f"{team}/teams/team-{number}/grants/app%2F*", 204, {"role": "write"}),
        Action("m", "DELETE", f"{team}/teams/team-{number}/grants/app%2F*", 204),
        Action("m", "DELETE", f"{team}/teams/team-{number}", 204),
        Action("g", "GET", "/api/v1/namespaces/team/grants", 200),
        Action("g", "PUT", grant, 204, {"role": "read"}),
        Action("g", "DELETE", grant, 204),
        Action("m", "GET", tokens, 200),
        Action("m", "POST", tokens, 201, {"name": "ci"}),
        Action("m", "DELETE", f"{tokens}/none", 404),
        Action("g", "GET", robots, 200),
        Action("g", "POST", robots, 201, {"name": f"robot-{number}", "grants": [{"pattern": "app", "role": "read"}]}),
        Action("g", "DELETE", f"{robots}/none", 404),
        Action("m", "GET", f"{team}/invitations", 200),
        Action("m", "POST", f"{team}/invitations", 201, {"invited": f"someone{number}@example.com"}),
        Action("m", "DELETE", f"{team}/invitations/none", 404),
        Action("m", "GET", "/api/v1/namespaces/team/audit?limit=2", 200),
        Action("m", "GET", "/api/v1/namespaces/team/usage", 200),
        Action("m", "GET", "/api/v1/namespaces/team/names", 200),
        Action("m", "PATCH", team, 200, {"makes_private": False}),
        Action("m", "PUT", f"{team}/name", 409, {"name": "owner"}),
        Action("m", "DELETE", team, 409),
        Action("m", "DELETE", "/api/v1/names?name=team%2Fnone", 404),
    ]


def on_hub() -> list[Action]:
    """Return what only administrators may do."""
    name = f"new-{next(_count)}"
    return [
        Action("a", "GET", "/api/v1/users", 200),
        Action("a", "POST", "/api/v1/users", 201, {"name": name}),
        Action("a", "PATCH", f"/api/v1/users/{name}", 200, {"is_active": False}),
        Action("a", "PATCH", f"/api/v1/users/{name}", 200, {"is_admin": True}),
        Action("a", "PATCH", f"/api/v1/users/{name}", 200, {"email": f"{name}@example.com"}),
        Action("a", "POST", f"/api/v1/users/{name}/tokens", 201, {"name": "x"}),
        Action("a", "DELETE", f"/api/v1/users/{name}", 204),
        Action("a", "POST", "/api/v1/organisations", 201, {"name": f"org-{name}"}),
        Action("a", "GET", "/api/v1/invitations", 200),
        Action("a", "DELETE", "/api/v1/invitations/none", 404),
        Action("a", "GET", "/api/v1/names", 200),
        Action("a", "GET", "/api/v1/audit?limit=2", 200),
        Action("a", "GET", "/api/v1/audit/chain?limit=2", 200),
        Action("a", "GET", "/api/v1/badges", 200),
        Action("a", "PUT", "/api/v1/badges/team/sponsored", 204, {"checked": "x"}),
        Action("a", "DELETE", "/api/v1/badges/team/sponsored", 204),
        Action("a", "PUT", "/api/v1/categories/spare", 204, {"english": "x", "french": "x"}),
        Action("a", "DELETE", "/api/v1/categories/spare", 204),
        Action("a", "PUT", "/api/v1/plans/spare", 204, {"seats": 3}),
        Action("a", "DELETE", "/api/v1/plans/spare", 204),
        Action("a", "PUT", f"/api/v1/namespaces/org-{name}/plan", 204, {"plan": "team"}),
        Action("a", "PUT", f"/api/v1/users/org-{name}/name", 404, {"name": "x"}),
    ]


def may(who: str, letter: str, *, public: bool = False) -> bool:
    return letter in WHO[who] + MORE.get(who, "") or (public and letter == "r")


def sent(hub: Hub, who: str, action: Action) -> Answer:
    return hub.ask(who, action.method, action.path, action.body)


@pytest.mark.parametrize("who", WHO)
def test_everybody_does_to_a_repository_what_they_may(hub: Hub, who: str) -> None:
    tag = TAGS[1 + list(WHO).index(who)]
    for name, public in (("team/app-public", True), ("team/app-private", False)):
        for action in in_repository(name, tag):
            answer = sent(hub, who, action)
            if may(who, action.letter, public=public):
                assert answer.status == action.status, (action, answer)
            elif who == "nobody" and action.letter != "r":
                assert answer.status == 401, (action, answer)
                assert answer.headers["WWW-Authenticate"] == 'Bearer realm="http://hub.example/api/v1/token"'
            else:
                assert answer.status == (403 if may(who, "r", public=public) else 404), (action, answer)


@pytest.mark.parametrize("who", WHO)
def test_everybody_does_to_an_organisation_what_they_may(hub: Hub, who: str) -> None:
    for action in in_organisation():
        answer = sent(hub, who, action)
        if may(who, action.letter):
            assert answer.status == action.status, (action, answer)
        elif who == "nobody":
            assert answer.status == 401, (action, answer)
        else:
            known = may(who, "s") or who in INSIDERS
            assert (answer.status, answer.json["code"]) == ((403, "DENIED") if known else (404, "NOT_FOUND")), (action, answer)


@pytest.mark.parametrize("who", WHO)
def test_the_hub_is_administered_by_administrators(hub: Hub, who: str) -> None:
    for action in on_hub():
        answer = sent(hub, who, action)
        if may(who, "a"):
            assert answer.status == action.status, (action, answer)
        else:
            about_user = "/users/" in action.path
            assert answer.status == (401 if who == "nobody" else 404 if about_user else 403), (action, answer)


@pytest.mark.parametrize("who", WHO)
def test_a_repository_is_made_by_those_who_may_make_it(hub: Hub, who: str) -> None:
    for name, letter in ((f"app-new-{next(_count)}", "w"), (f"else-{next(_count)}", "c")):
        allowed = letter in WHO[who] and (letter == "w" or "c" in WHO[who])
        for path, body in (
            ("/api/v1/repositories", {"name": f"team/{name}", "is_private": True}),
            ("/v2/repositories/", {"namespace": "team", "name": f"{name}-too", "registry": "docker"}),
        ):
            answer = hub.ask(who, "POST", path, body)
            assert answer.status == (201 if allowed else 401 if who == "nobody" else answer.status), answer
            assert allowed or answer.status in (401, 403, 404)
        if allowed and "r" in WHO[who]:
            assert hub.ask(who, "GET", f"/api/v1/repositories/team/{name}").json["is_private"] is True


@pytest.mark.parametrize("who", WHO)
def test_lists_have_what_the_caller_may_see(hub: Hub, who: str) -> None:
    for path, key in (
        ("/api/v1/repositories?namespace=team&limit=2", "items"),
        ("/api/v1/repositories?limit=2", "items"),
        ("/v2/repositories/team/?page_size=2", "results"),
    ):
        seen: list[str] = []
        following = path
        while following:
            page = hub.ask(who, "GET", following).json
            assert len(page[key]) <= 2
            seen += [each["name"] for each in page[key]]
            after = page["next"] and (page["next"].removeprefix("http://hub.example"))
            following = after and (after if after.startswith("/") else f"{path}&after={after}")
        names = {name.rpartition("/")[2] for name in seen}
        assert "app-public" in names
        assert "below" in names
        assert ("app-private" in names) == ("r" in WHO[who]), (path, who)


# What each route is sent that changes something; a test fails when one is missing.
BODIES: Final[dict[str, object]] = {
    "PATCH /api/v1/users/{user}": {"email": None},
    "PUT /api/v1/organisations/{organisation}/members/{user}": {"role": "owner"},
    "POST /api/v1/organisations/{organisation}/teams": {"name": "x"},
    "PUT /api/v1/organisations/{organisation}/teams/{team}/members/{user}": {},
    "PUT /api/v1/organisations/{organisation}/teams/{team}/grants/{pattern}": {"role": "read"},
    "PUT /api/v1/namespaces/{namespace}/grants/{user}/{pattern}": {"role": "read"},
    "POST /api/v1/users/{user}/tokens": {"name": "x"},
    "POST /api/v1/organisations/{organisation}/tokens": {"name": "x"},
    "POST /api/v1/namespaces/{namespace}/robots": {"name": "x", "grants": [{"pattern": "x", "role": "read"}]},
    "PATCH /api/v1/repositories/{namespace}/{repository}": {"is_private": False},
    "PATCH /v2/repositories/{namespace}/{repository}": {"is_private": False},
    "PATCH /api/v1/organisations/{organisation}": {"makes_private": True},
    "PUT /api/v1/repositories/{namespace}/{repository}/categories": {"categories": []},
    "PUT /api/v1/repositories/{namespace}/{repository}/star": None,
    "PUT /v2/repositories/{namespace}/{repository}/star": None,
    "PUT /api/v1/organisations/{organisation}/name": {"name": "x"},
    "POST /api/v1/organisations/{organisation}/invitations": {"invited": "x@example.com"},
    "PUT /api/v1/users/{user}/name": {"name": "x", "current_password": "x"},
    "POST /api/v1/users/{user}/deletion": {"current_password": "x"},
    "POST /api/v1/users/{user}/second-factor": {"current_password": "x"},
    "POST /api/v1/users/{user}/second-factor/confirmation": {"code": "123456"},
    "POST /api/v1/users/{user}/second-factor/recovery-codes": {"current_password": "x"},
    "POST /api/v1/users/{user}/second-factor/removal": {"current_password": "x"},
    "PATCH /v2/namespaces/{namespace}/repositories/{repository}": {"is_private": False},
}
# What only administrators may ask for, whatever it is about: who may not is told so before anything is looked at.
OF_HUB: Final = (
    "/api/v1/invitations/{invitation}",
    "/api/v1/plans/{plan}",
    "/api/v1/namespaces/{namespace}/plan",
    "/api/v1/badges/{namespace}/{badge}",
    "/api/v1/categories/{category}",
)
_PARTS: Final = {
    "team": "readers",
    "tag": "v1",
    "pattern": "*",
    "token": "none",
    "robot": "none",
    "session": "none",
    "invitation": "none",
}


@pytest.mark.parametrize("who", ["nobody", "stranger", "owner, token public-read"])
@pytest.mark.parametrize(
    ("method", "path"), [(method, path) for method, path in paths() if path.count("{") and path not in OF_HUB]
)
def test_what_is_hidden_and_what_is_absent_look_alike(hub: Hub, method: str, path: str, who: str) -> None:
    if path == "/v2/access-tokens/{token}" or (method == "GET" and path.endswith(("s/{namespace}", "{namespace}/repositories"))):
        return  # one's own alone, and lists, which are empty alike
    seen = []
    for owner, repository, user in (
        ("team", "app-private", "reader"),
        ("team", "app-zz", "user-zz"),
        ("team-zz", "app-zz", "user-zz"),
    ):
        about = {**_PARTS, "organisation": owner, "namespace": owner, "repository": repository, "user": user}
        body = BODIES[f"{method} {path}"] if method in ("PUT", "POST", "PATCH") else None
        answer = hub.ask(who, method, path.format(**about), body)
        told = answer.content.decode().replace(repository, "NAME").replace(owner, "OWNER").replace(user, "USER")
        headers = {name: value for name, value in plain_headers(answer).items() if name != "content-length"}
        seen.append((answer.status, headers, told))
    assert seen[0] == seen[1] == seen[2]
    assert seen[0][0] == (401 if who == "nobody" and (method != "GET" or "{repository}" not in path) else 404)


def test_a_token_for_tags_deletes_no_others(hub: Hub) -> None:
    made = hub.ask("owner", "POST", "/api/v1/users/owner/tokens", {"name": "dev", "scope": "delete", "tags": ["dev-*"]})
    assert made.status == 201, made
    answer = hub.inside.request("DELETE", "/api/v1/repositories/team/app-public/tags/v1", auth=f"Bearer {made.json['secret']}")
    assert (answer.status, answer.json["code"]) == (403, "DENIED")
