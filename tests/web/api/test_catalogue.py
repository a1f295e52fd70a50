"""Stars, categories, badges and search by the JSON interface: what is told, and what is in the way."""

import pytest

from support.http import Answer
from web.api.conftest import Hub

PUBLIC = "/api/v1/repositories/team/app-public"
HUBS = "/v2/repositories/team/app-public/star"


def admin(hub: Hub, method: str, path: str, body: object = None) -> Answer:
    return hub.ask("admin", method, f"/api/v1{path}", body)


def test_whoever_has_an_account_gives_a_star_and_takes_it_away(hub: Hub) -> None:
    assert hub.ask("stranger", "GET", f"{PUBLIC}/star").json == {"starred": False, "stars": 0}
    for _ in range(2):
        assert hub.ask("stranger", "PUT", f"{PUBLIC}/star").status == 204
    assert hub.ask("reader", "PUT", HUBS).status == 204
    assert hub.ask("stranger", "GET", f"{PUBLIC}/star").json == {"starred": True, "stars": 2}
    assert hub.ask("nobody", "GET", f"{PUBLIC}/star").json == {"starred": False, "stars": 2}
    assert hub.ask("reader", "GET", "/v2/repositories/team/app-public/").json["star_count"] == 2
    shown = {each["name"]: each["star_count"] for each in hub.ask("reader", "GET", "/v2/repositories/team/").json["results"]}
    assert shown == {"app-public": 2, "app-deep/below": 0, "app-private": 0}
    for who in ("nobody", "robot, admin", "team, token write"):
        assert hub.ask(who, "PUT", f"{PUBLIC}/star").status == 401, who
    for name in ("app-private", "app-none"):
        assert hub.ask("stranger", "PUT", f"/api/v1/repositories/team/{name}/star").status == 404
    assert hub.ask("reader", "DELETE", HUBS).status == 204
    assert hub.ask("stranger", "DELETE", f"{PUBLIC}/star").status == 204
    assert hub.ask("stranger", "GET", f"{PUBLIC}/star").json["stars"] == 0


def test_an_image_is_put_on_shelves_that_there_are(hub: Hub) -> None:
    names = [each["name"] for each in hub.ask("nobody", "GET", "/api/v1/categories").json["items"]]
    assert len(names) > 5
    shelf = f"{PUBLIC}/categories"
    assert hub.ask("owner", "PUT", shelf, {"categories": names[:2]}).status == 204
    assert sorted(hub.ask("nobody", "GET", shelf).json["categories"]) == sorted(names[:2])
    for wanted, status in ((["none"], 422), (names[:4], 422), ("x", 422)):
        assert hub.ask("owner", "PUT", shelf, {"categories": wanted}).status == status
    assert hub.ask("owner", "PUT", "/api/v1/repositories/team/app-none/categories", {"categories": []}).status == 404
    assert hub.ask("owner", "PUT", shelf, {"categories": []}).status == 204


def test_badges_and_categories_are_an_administrators(hub: Hub) -> None:
    assert admin(hub, "PUT", "/badges/team/verified", {"checked": "their domain"}).status == 204
    (badge,) = admin(hub, "GET", "/badges").json["items"]
    assert (badge["badge"], badge["checked"], badge["granted_by"]) == ("verified", "their domain", "admin")
    acts = admin(hub, "GET", "/audit?act=badge.grant").json["items"]
    assert (acts[0]["actor"], acts[0]["target"]) == ("admin", "team")
    for path, body, status in (
        ("/badges/team/royal", {"checked": "x"}, 422),
        ("/badges/owner/verified", {"checked": "x"}, 422),
        ("/badges/none/verified", {"checked": "x"}, 404),
        ("/badges/team/verified", {"checked": " "}, 422),
        ("/categories/Ovens", {"english": "x", "french": "y"}, 422),
        ("/categories/ovens", {"english": "x"}, 422),
        ("/categories/ovens", {"english": "Ovens", "french": "Fours", "rank": 0}, 204),
    ):
        assert admin(hub, "PUT", path, body).status == status, path
    assert "ovens" in [each["name"] for each in admin(hub, "GET", "/categories").json["items"][:2]]
    assert [admin(hub, "DELETE", "/categories/ovens").status for _ in range(2)] == [204, 404]
    assert [admin(hub, "DELETE", "/badges/team/verified").status for _ in range(2)] == [204, 404]


@pytest.mark.parametrize("who", ["nobody", "stranger", "reader", "admin"])
def test_what_is_found_is_what_may_be_seen(hub: Hub, who: str) -> None:
    found = hub.ask(who, "GET", "/api/v1/search?q=team/app").json
    names = {each["name"] for each in found["items"]}
    hidden = {"team/app-private"} if who in ("reader", "admin") else set()
    assert names == {"team/app-public", "team/app-deep/below"} | hidden
    assert (found["count"], found["next"]) == (len(names), None)
    hubs = hub.ask(who, "GET", "/v2/search/repositories/?query=team/app&page_size=1").json
    assert (hubs["count"], len(hubs["results"]), hubs["results"][0]["repo_owner"]) == (len(names), 1, "team")
    following = hubs["next"].removeprefix("http://hub.example")
    assert hub.ask(who, "GET", following).json["results"] != hubs["results"]


def test_what_cannot_be_asked_for_is_refused(hub: Hub) -> None:
    for query in ("kind=royal", "sort=best-first", "page=0", "limit=101", "x=1", "updated_within_days=0"):
        answer = hub.ask("reader", "GET", f"/api/v1/search?q=app&{query}")
        assert (answer.status, answer.json["code"]) == (422, "INVALID"), query
    known = "kind=official&kind=verified&os=linux&arch=amd64&category=x&sort=stars&updated_within_days=30"
    assert hub.ask("reader", "GET", f"/api/v1/search?q=app&{known}").status == 200
