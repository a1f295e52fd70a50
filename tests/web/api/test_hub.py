"""Docker Hub's paths, as scripts and tools ask for them; tests/docs/test_api.py does so with curl."""

import datetime as dt
from collections.abc import Iterator
from typing import Any, Final

import pytest

from support.accounts import PASSWORD
from web.api.conftest import TAGS, Hub

_NAMESPACE: Final = "/v2/repositories/team"


def login(hub: Hub, name: str = "owner", password: str = PASSWORD) -> str:
    answer = hub.inside.request("POST", "/v2/users/login/", {"username": name, "password": password, "extra": 1})
    assert answer.status == 200, answer
    return str(answer.json["token"])


def followed(hub: Hub, path: str) -> Iterator[dict[str, Any]]:
    """Give the pages from this one on, as scripts follow them."""
    following: str | None = path
    while following:
        page = hub.ask("owner", "GET", following.removeprefix("http://hub.example")).json
        yield page
        following = page["next"]


def test_a_login_gives_a_token_that_both_words_carry(hub: Hub) -> None:
    for kind in ("JWT", "Bearer"):
        answer = hub.inside.request("GET", f"{_NAMESPACE}/app-private/", auth=f"{kind} {login(hub)}")
        assert (answer.status, answer.json["is_private"]) == (200, True)
    answer = hub.inside.request("POST", "/v2/auth/token", {"identifier": "owner", "secret": PASSWORD})
    assert answer.status == 200
    assert hub.inside.request("GET", "/v2/access-tokens", auth=f"Bearer {answer.json['access_token']}").status == 200


def test_a_wrong_login_is_told_as_docker_hub_does(hub: Hub) -> None:
    answer = hub.inside.request("POST", "/v2/users/login", {"username": "writer", "password": "wrong password"})
    assert (answer.status, answer.json["detail"]) == (401, "Incorrect authentication credentials")
    answer = hub.inside.request("POST", "/v2/users/login", {"username": "writer"})
    assert (answer.status, answer.json["errinfo"]["field"]) == (422, "password")


@pytest.mark.parametrize("size", [1, 3, 7, 100])
def test_pages_of_tags_are_followed_to_the_end(hub: Hub, size: int) -> None:
    pages = list(followed(hub, f"{_NAMESPACE}/app-public/tags?page_size={size}"))
    assert [tag["name"] for page in pages for tag in page["results"]] == sorted(TAGS)
    assert {page["count"] for page in pages} == {len(TAGS)}
    assert [page["previous"] is None for page in pages] == [True] + [False] * (len(pages) - 1)


def test_pages_are_found_by_number_too(hub: Hub) -> None:
    third = hub.ask("owner", "GET", f"{_NAMESPACE}/app-public/tags/?page=3&page_size=5&ordering=last_updated").json
    assert [tag["name"] for tag in third["results"]] == sorted(TAGS)[10:15]
    assert hub.ask("owner", "GET", f"{_NAMESPACE}/app-public/tags?page=9&page_size=5").status == 404
    before = hub.ask("owner", "GET", third["previous"].removeprefix("http://hub.example")).json
    assert [tag["name"] for tag in before["results"]] == sorted(TAGS)[5:10]


def test_names_are_looked_for(hub: Hub) -> None:
    found = hub.ask("owner", "GET", f"{_NAMESPACE}/app-public/tags?name=f-1&page_size=100").json
    assert [tag["name"] for tag in found["results"]] == [name for name in sorted(TAGS) if "f-1" in name]
    assert found["count"] == len(found["results"])
    found = hub.ask("owner", "GET", f"{_NAMESPACE}/?name=priv").json
    assert [each["name"] for each in found["results"]] == ["app-private"]


def test_a_tag_has_what_tools_look_into(hub: Hub) -> None:
    tag = hub.ask("nobody", "GET", "/v2/namespaces/team/repositories/app-public/tags/v1").json
    assert tag["digest"] == tag["images"][0]["digest"]
    assert tag["digest"].startswith("sha256:")
    assert tag["full_size"] > 0
    assert tag["tag_status"] == "active"
    assert dt.datetime.fromisoformat(tag["last_updated"]).tzinfo is not None
    head = hub.ask("nobody", "HEAD", f"{_NAMESPACE}/app-public/tags/v1/")
    assert (head.status, head.content) == (200, b"")
    assert hub.ask("nobody", "HEAD", f"{_NAMESPACE}/app-public/tags/v9").status == 404


def test_nothing_is_acknowledged_that_is_not_kept(hub: Hub) -> None:
    for body in ({"full_description": "text"}, {"description": "text", "is_private": False}, {}, {"is_privat": False}):
        assert hub.ask("owner", "PATCH", f"{_NAMESPACE}/app-private/", body).status == 422
    assert hub.ask("nobody", "GET", f"{_NAMESPACE}/app-private/").status == 404


def test_access_tokens_are_made_listed_and_ended(hub: Hub) -> None:
    until = (dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)).isoformat()
    body = {"token_label": "ci", "scopes": ["repo:read", "repo:write"], "expires_at": until}
    made = hub.ask("writer", "POST", "/v2/access-tokens", body)
    assert made.status == 201, made
    path, secret = f"/v2/access-tokens/{made.json['uuid']}", made.json["token"]
    assert login(hub, "writer", secret)
    listed = hub.ask("writer", "GET", "/v2/access-tokens").json
    assert (listed["count"], listed["active_count"], listed["results"][0]["token"]) == (1, 1, "")
    assert hub.ask("writer", "GET", path).json["scopes"] == ["repo:write"]
    assert hub.ask("owner", "GET", path).status == hub.ask("owner", "DELETE", path).status == 404
    assert hub.ask("writer", "PATCH", path, {"is_active": False}).json["is_active"] is False
    assert hub.inside.request("GET", "/api/v1/user", auth=f"Bearer {secret}").status == 401
    assert hub.ask("writer", "PATCH", path, {"is_active": True}).status == 422
    assert hub.ask("writer", "DELETE", path).status == 204
    late = (dt.datetime.now(dt.UTC) - dt.timedelta(hours=1)).isoformat()
    wrongs: tuple[dict[str, Any], ...] = (
        {"expires_at": late},
        {"expires_at": "2099-01-01T00:00:00"},
        {"scopes": ["all"]},
        {"scopes": []},
    )
    for wrong in wrongs:
        assert hub.ask("writer", "POST", "/v2/access-tokens", {**body, **wrong}).status == 422


def test_namespaces_are_those_where_one_may_make_something(hub: Hub) -> None:
    for who, expected in (("owner", ["owner", "team"]), ("member", ["member"]), ("stranger", ["stranger"])):
        assert hub.ask(who, "GET", "/v2/repositories/namespaces").json["namespaces"] == expected
    assert hub.ask("nobody", "GET", "/v2/repositories/namespaces/").status == 401
