"""What the interface does, from making a user to hiding a repository, and what it says when something is in the way."""

import asyncio
from pathlib import Path

from entrepot.app.parts import Accounts
from entrepot.domain.accounts.service.sessions import Browser
from support.accounts import PASSWORD, basic, with_accounts
from support.http import Answer
from support.inside import inside
from support.parts import parts, prepared, sql
from support.postgres import Cluster
from web.api.conftest import Hub


def admin(hub: Hub, method: str, path: str, body: object = None) -> Answer:
    return hub.ask("admin", method, f"/api/v1{path}", body)


def test_a_user_is_made_changed_and_deleted(hub: Hub) -> None:
    made = admin(hub, "POST", "/users", {"name": "cleo", "password": PASSWORD, "email": "Cleo@example.com"})
    assert (made.status, made.json["email"], made.json["signed_in_at"]) == (201, "cleo@example.com", None)
    assert admin(hub, "POST", "/users", {"name": "cleo"}).json["detail"] == {"name": "cleo", "field": "name"}
    own = basic("cleo", PASSWORD)
    for body, status in (
        ({"email": None}, 403),
        ({"email": None, "current_password": "wrong password"}, 403),
        ({"email": None, "current_password": PASSWORD}, 200),
        ({"email": "cleo@example.net", "current_password": PASSWORD}, 403),
        ({"password": "short", "current_password": PASSWORD}, 422),
        ({"is_admin": True}, 403),
        ({"is_active": None}, 422),
        ({"is_active": True, "is_admin": True}, 422),
        ({"current_password": PASSWORD}, 422),
        ({"password": "another fine password", "current_password": PASSWORD}, 200),
    ):
        assert hub.inside.request("PATCH", "/api/v1/users/cleo", body, auth=own).status == status, body
    assert hub.inside.request("GET", "/api/v1/user", auth=own).status == 401
    assert admin(hub, "PATCH", "/users/cleo", {"email": "x"}).json["detail"]["field"] == "email"
    own = basic("cleo", "another fine password")
    assert hub.inside.request("GET", "/api/v1/users/cleo", auth=own).json["email"] is None
    assert hub.inside.request("DELETE", "/api/v1/users/cleo", auth=own).status == 204
    assert admin(hub, "GET", "/users/cleo").status == 404


def test_sessions_are_listed_and_ended(hub: Hub) -> None:
    admin(hub, "POST", "/users", {"name": "emma", "password": PASSWORD})
    auth, path = basic("emma", PASSWORD), "/api/v1/users/emma/sessions"

    async def begin(who: Accounts) -> None:
        for address in ("192.0.2.1", "192.0.2.2"):
            await who.people.sessions.sign_in("emma", PASSWORD, "", Browser(address, "a browser"))

    with_accounts(hub.place, begin)
    listed = hub.inside.request("GET", path, auth=auth).json["items"]
    assert [each["address"] for each in listed] == ["192.0.2.2", "192.0.2.1"]
    assert hub.ask("stranger", "DELETE", f"{path}/{listed[0]['id']}").status == 404
    assert hub.inside.request("DELETE", f"{path}/{listed[0]['id']}", auth=auth).status == 204
    assert hub.inside.request("DELETE", f"{path}/{listed[0]['id']}", auth=auth).status == 404
    token = hub.inside.request("POST", "/api/v1/token", auth=auth).json["token"]
    assert hub.inside.request("DELETE", path, auth=auth).status == 204
    assert hub.inside.request("GET", path, auth=f"Bearer {token}").status == 401
    assert hub.inside.request("GET", path, auth=auth).json["items"] == []


def test_the_last_of_a_kind_stays(hub: Hub) -> None:
    for method, path, body in (
        ("PATCH", "/users/admin", {"is_admin": False}),
        ("PATCH", "/users/admin", {"is_active": False}),
        ("DELETE", "/users/admin", None),
        ("DELETE", "/organisations/team/members/owner", None),
    ):
        answer = admin(hub, method, path, body)
        assert (answer.status, answer.json["code"]) == (409, "CONFLICT")


def test_users_come_in_pages(hub: Hub) -> None:
    names, after = [], ""
    while True:
        page = admin(hub, "GET", f"/users?limit=3&after={after}").json
        assert len(page["items"]) <= 3
        names += [user["name"] for user in page["items"]]
        if page["next"] is None:
            break
        after = page["next"]
    assert names == sorted(names)
    assert {"admin", "owner", "stranger"} <= set(names)


def test_a_team_lets_its_members_in(hub: Hub) -> None:
    admin(hub, "POST", "/users", {"name": "dora", "password": PASSWORD})
    auth, path = basic("dora", PASSWORD), "/api/v1/repositories/team/app-private"
    assert hub.inside.request("GET", path, auth=auth).status == 404
    for method, rest, body, status in (
        ("PUT", "/members/dora", {"role": "member"}, 204),
        ("POST", "/teams", {"name": "new", "description": "é"}, 201),
        ("POST", "/teams", {"name": "new"}, 409),
        ("PUT", "/teams/new/members/dora", {}, 204),
        ("PUT", "/teams/new/members/stranger", {}, 404),
        ("PUT", "/teams/new/grants/app-*", {"role": "read"}, 204),
        ("PUT", "/teams/new/grants/A", {"role": "read"}, 422),
        ("PUT", "/teams/new/grants/app-*", {"role": "everything"}, 422),
    ):
        assert hub.ask("owner", method, f"/api/v1/organisations/team{rest}", body).status == status, rest
    assert hub.inside.request("GET", path, auth=auth).status == 200
    shown = hub.ask("owner", "GET", "/api/v1/organisations/team/teams/new").json
    assert shown == {"name": "new", "members": ["dora"], "grants": [{"pattern": "app-*", "role": "read"}]}
    assert hub.inside.request("DELETE", "/api/v1/organisations/team/members/dora", auth=auth).status == 204
    assert hub.inside.request("GET", path, auth=auth).status == 404
    assert hub.inside.request("GET", "/api/v1/organisations", auth=auth).json["items"] == []


def test_a_robot_does_what_it_was_granted_and_is_made_once(hub: Hub) -> None:
    body = {"name": "once", "grants": [{"pattern": "app-private", "role": "read"}], "expires_in_days": 1}
    made = hub.ask("editor", "POST", "/api/v1/namespaces/team/robots", body)
    assert (made.status, made.json["kind"], made.json["scope"]) == (201, "robot", "delete")
    assert hub.ask("editor", "POST", "/api/v1/namespaces/team/robots", body).status == 409
    auth = basic("team+once", made.json["secret"])
    assert hub.inside.request("GET", "/v2/team/app-private/manifests/v1", auth=auth).status == 200
    listed = hub.ask("editor", "GET", "/api/v1/namespaces/team/robots").json["items"]
    (found,) = [each for each in listed if each["name"] == "once"]
    assert (found["secret"], found["used_from"]) == (None, "192.0.2.9")
    assert hub.ask("editor", "DELETE", f"/api/v1/namespaces/owner/robots/{found['id']}").status == 404
    assert hub.ask("owner", "DELETE", f"/api/v1/namespaces/owner/robots/{found['id']}").status == 404
    assert hub.ask("editor", "DELETE", f"/api/v1/namespaces/team/robots/{found['id']}").status == 204
    assert hub.inside.request("GET", "/v2/team/app-private/manifests/v1", auth=auth).status == 401


def test_a_tag_is_deleted_and_its_history_stays(hub: Hub) -> None:
    path = "/api/v1/repositories/team/app-private/tags"
    shown = hub.ask("owner", "GET", f"{path}/of-0").json
    assert shown["size_bytes"] > len(b"{}") + len(b"layer")
    assert hub.ask("owner", "DELETE", f"{path}/of-0").status == 204
    assert hub.ask("owner", "DELETE", f"{path}/of-0").status == hub.ask("owner", "GET", f"{path}/of-0").status == 404
    moves = hub.ask("owner", "GET", f"{path}/of-0/history").json["items"]
    assert [(move["from_digest"], move["to_digest"]) for move in moves] == [(shown["digest"], None), (None, shown["digest"])]
    assert moves[0]["by"] == "owner"


def test_a_repository_that_is_not_there_is_not_made_by_hiding_it(hub: Hub) -> None:
    assert hub.ask("owner", "PATCH", "/api/v1/repositories/team/none", {"is_private": True}).status == 404
    assert hub.ask("owner", "GET", "/v2/team/none/tags/list").status == 404
    assert hub.ask("stranger", "POST", "/api/v1/repositories", {"name": "nginx"}).json["code"] == "DENIED"
    body = {"name": "stranger/own", "is_private": True}
    assert hub.ask("stranger", "POST", "/api/v1/repositories", body).status == 201
    assert hub.ask("stranger", "POST", "/api/v1/repositories", body).json["detail"]["field"] == "name"
    assert hub.ask("stranger", "GET", "/v2/stranger/own/tags/list").json["tags"] == []


def test_a_repository_is_described_archived_renamed_and_deleted(hub: Hub) -> None:
    path = "/api/v1/repositories/team/app-life"
    assert hub.ask("owner", "POST", "/api/v1/repositories", {"name": "team/app-life"}).status == 201
    for body, status in (
        ({}, 422),
        ({"name": None}, 422),
        ({"is_private": True, "is_archived": True}, 422),
        ({"readme": 1}, 422),
    ):
        assert hub.ask("owner", "PATCH", path, body).status == status
    for who, status in (("writer", 403), ("stranger", 403), ("nobody", 401), ("maintainer", 200)):
        assert hub.ask(who, "PATCH", path, {"description": "what it is", "readme": "# More"}).status == status
    assert hub.ask("maintainer", "PATCH", path, {"is_archived": True}).json["is_archived"] is True
    assert hub.ask("maintainer", "PATCH", path, {"is_archived": False}).json["description"] == "what it is"
    assert hub.ask("maintainer", "PATCH", path, {"name": "team/else"}).status == 404
    assert hub.ask("owner", "PATCH", path, {"name": "stranger/app"}).status == 404
    assert hub.ask("owner", "PATCH", path, {"name": "team/app-public"}).status == 409
    assert hub.ask("owner", "PATCH", path, {"name": "team/app-moved"}).json["name"] == "team/app-moved"
    assert hub.ask("writer", "DELETE", "/api/v1/repositories/team/app-moved").status == 403
    assert hub.ask("maintainer", "DELETE", "/api/v1/repositories/team/app-moved").status == 204
    assert hub.ask("owner", "GET", "/api/v1/repositories/team/app-moved").status == 404


def test_nothing_is_changed_while_the_registry_is_read_only(hub: Hub) -> None:
    async def change(*, read_only: bool) -> None:
        async with parts(hub.place) as whole:
            await whole.modes.change(read_only=read_only, reason="moving")

    asyncio.run(change(read_only=True))
    try:
        for method, path, body in (
            ("POST", "/api/v1/users", {"name": "late"}),
            ("PATCH", "/api/v1/repositories/team/app-private", {"is_private": False}),
            ("POST", "/api/v1/repositories", {"name": "team/late"}),
            ("DELETE", "/v2/repositories/team/app-private/tags/v1", None),
            ("PUT", "/api/v1/organisations/team/members/stranger", {"role": "member"}),
            ("POST", "/api/v1/users/admin/tokens", {"name": "late"}),
        ):
            answer = hub.ask("admin", method, path, body)
            assert (answer.status, answer.headers["Retry-After"]) == (405, "60"), path
            assert "moving" in answer.json["message"]
        assert hub.ask("admin", "GET", "/api/v1/users").status == 200
        assert hub.ask("admin", "POST", "/api/v1/token").status == 200
    finally:
        asyncio.run(change(read_only=False))
    assert asyncio.run(sql(hub.place, "SELECT count(*) FROM namespace WHERE name = 'late'")) == [(0,)]


def test_a_database_that_is_away_is_told(tmp_path: Path) -> None:
    cluster = Cluster()
    try:
        place = prepared(tmp_path / "data", cluster.new_database())
        with inside(place) as served:
            assert served.request("GET", "/api/v1/repositories").json["items"] == []
            cluster.kill()
            for path, keys in (
                ("/api/v1/user", {"code", "message", "detail"}),
                ("/v2/repositories/x/", {"message", "detail", "errinfo"}),
            ):
                answer = served.request("GET", path, auth=basic("ann", PASSWORD))
                assert (answer.status, answer.headers["Retry-After"], set(answer.json)) == (503, "5", keys)
    finally:
        cluster.remove()


def test_what_is_done_stands_in_the_audit_log_as_done_by_whoever_asked(hub: Hub) -> None:
    assert admin(hub, "POST", "/users", {"name": "hilda", "password": PASSWORD}).status == 201
    assert admin(hub, "PUT", "/organisations/team/members/hilda", {"role": "member"}).status in (200, 201, 204)
    assert admin(hub, "DELETE", "/users/hilda").status == 204
    done = "SELECT act, actor, address FROM audit_event WHERE target = 'hilda' OR details LIKE '%\"hilda\"%' ORDER BY id"
    acts = [(act, actor) for act, actor, address in asyncio.run(sql(hub.place, done)) if address]
    assert acts == [("user.add", "admin"), ("member.set", "admin"), ("user.delete", "admin")]
