"""Signing in: what proves who somebody is, what does not, and what a token of this interface is good for."""

import base64
import json
import time
from typing import Any, Final

import jwt
import pytest

from entrepot.domain.access.model import ANYONE
from entrepot.spec.oci.scopes import parse_scopes
from support.accounts import PASSWORD, basic, with_accounts
from support.http import Answer
from web.api.conftest import Hub

_ME: Final = "/api/v1/user"


def secret(hub: Hub, who: str) -> str:
    """Return the secret of somebody's Basic header."""
    header = hub.headers[who] or ""
    return base64.b64decode(header.removeprefix("Basic ")).decode().partition(":")[2]


def me(hub: Hub, auth: str | None, client: str = "192.0.2.9") -> Answer:
    return hub.inside.request("GET", _ME, auth=auth, client=client)


def token(hub: Hub, who: str) -> str:
    answer = hub.ask(who, "POST", "/api/v1/token")
    assert (answer.status, answer.json["token_type"], answer.json["expires_in"]) == (200, "Bearer", 900)
    return str(answer.json["token"])


@pytest.mark.parametrize(
    ("who", "name", "owner"),
    [("owner", "owner", None), ("owner, token read", "owner", None), ("team, token write", "team", "team")],
)
def test_password_secret_and_token_prove_the_same(hub: Hub, who: str, name: str, owner: str | None) -> None:
    ways = [hub.headers[who], f"Bearer {token(hub, who)}", f"JWT {token(hub, who)}"]
    if who != "owner":
        ways.append(f"Bearer {secret(hub, who)}")
    for way in ways:
        answer = me(hub, way)
        assert (answer.status, answer.json["name"], answer.json["owner"]) == (200, name, owner), way
        assert (answer.json["token"] is None) == (who == "owner")


def test_a_robot_signs_in(hub: Hub) -> None:
    assert me(hub, f"bearer  {token(hub, 'robot, read')}").json["name"] == "team+read"


def forged(claims: dict[str, Any], **header: Any) -> str:
    """Return a token that says what it wants of itself."""
    parts = [json.dumps(each).encode() for each in ({"alg": "none", **header}, claims)]
    return ".".join([*(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts), ""])


def test_what_proves_nothing_is_refused_alike(hub: Hub) -> None:
    good = token(hub, "owner")
    claims = jwt.decode(good, options={"verify_signature": False})
    registry = hub.inside.request("GET", "/token?scope=repository:team/app-public:pull", auth=hub.headers["owner"]).json["token"]
    cut = good[:-8] + ("AAAAAAAA" if good[-8:] != "AAAAAAAA" else "BBBBBBBB")
    header = jwt.get_unverified_header(good)
    for each in (
        *(forged(claims), forged(claims, kid=header["kid"], typ=header["typ"]), registry, cut, good.rpartition(".")[0], ""),
        jwt.encode({**claims, "sub": "admin"}, "x" * 40, algorithm="HS256", headers={"kid": header["kid"], "typ": header["typ"]}),
    ):
        answer = me(hub, f"Bearer {each}")
        assert (answer.status, answer.json["code"]) == (401, "UNAUTHORIZED"), each
        assert answer.headers["WWW-Authenticate"].startswith("Bearer realm=")
    for header_ in ("Basic x", "Basic !", "Digest x", "", "Bearer", basic("owner", "wrong password")):
        assert me(hub, header_ or "x").status == 401


def test_a_token_of_this_interface_opens_nothing_of_the_registrys(hub: Hub) -> None:
    for path in ("/v2/team/app-public/manifests/v1", "/v2/"):
        assert hub.inside.request("GET", path, auth=f"Bearer {token(hub, 'owner')}").status == 401


def test_a_token_ends(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    good = token(hub, "owner")
    assert me(hub, f"Bearer {good}").status == 200
    really = time.time
    # One is made in the past: what reads tokens has a clock of its own.
    monkeypatch.setattr(time, "time", lambda: really() - 1000)
    old = token(hub, "owner")
    monkeypatch.undo()
    assert me(hub, f"Bearer {old}").status == 401


def test_a_token_makes_no_other_one(hub: Hub) -> None:
    answer = hub.inside.request("POST", "/api/v1/token", auth=f"Bearer {token(hub, 'owner')}")
    assert (answer.status, answer.json["code"]) == (403, "DENIED")
    assert hub.ask("nobody", "POST", "/api/v1/token").status == 401


def test_a_revocation_and_a_lock_end_tokens_at_once(hub: Hub) -> None:
    made = hub.ask("owner", "POST", "/api/v1/users/owner/tokens", {"name": "x"}).json
    short = hub.inside.request("POST", "/api/v1/token", auth=f"Bearer {made['secret']}").json["token"]
    assert me(hub, f"Bearer {short}").status == 200
    assert hub.ask("owner", "DELETE", f"/api/v1/users/owner/tokens/{made['id']}").status == 204
    assert me(hub, f"Bearer {short}").status == me(hub, f"Bearer {made['secret']}").status == 401
    assert hub.ask("owner", "DELETE", f"/api/v1/users/owner/tokens/{made['id']}").status == 404
    hub.ask("admin", "POST", "/api/v1/users", {"name": "leaving", "password": PASSWORD})
    auth = basic("leaving", PASSWORD)
    held = f"Bearer {hub.inside.request('POST', '/api/v1/token', auth=auth).json['token']}"
    assert hub.ask("admin", "PATCH", "/api/v1/users/leaving", {"is_active": False}).status == 200
    assert me(hub, held).status == me(hub, auth).status == 401


def test_a_token_for_a_network_is_good_there_alone(hub: Hub) -> None:
    made = hub.ask("owner", "POST", "/api/v1/users/owner/tokens", {"name": "x", "networks": ["192.0.2.0/28"]}).json
    short = hub.inside.request("POST", "/api/v1/token", auth=f"Bearer {made['secret']}").json["token"]
    for auth in (f"Bearer {made['secret']}", f"Bearer {short}"):
        assert (me(hub, auth).status, me(hub, auth, client="192.0.2.77").status) == (200, 401)


def test_a_token_that_was_found_becomes_no_other_one_and_no_account(hub: Hub) -> None:
    made = hub.ask("owner", "POST", "/api/v1/users/owner/tokens", {"name": "all", "scope": "admin"}).json
    auth = f"Bearer {made['secret']}"

    def ask(method: str, path: str, body: object = None) -> Answer:
        return hub.inside.request(method, path, body, auth=auth)

    assert ask("GET", "/api/v1/organisations/team/members").status == 200
    for method, path, body in (
        ("POST", "/api/v1/users/owner/tokens", {"name": "more"}),
        ("POST", "/api/v1/organisations/team/tokens", {"name": "more"}),
        ("POST", "/api/v1/namespaces/team/robots", {"name": "more", "grants": [{"pattern": "*", "role": "read"}]}),
        ("PATCH", "/api/v1/users/owner", {"password": "another fine password"}),
        ("PATCH", "/api/v1/users/owner", {"email": "x@example.com"}),
        ("DELETE", "/api/v1/users/owner", None),
        ("POST", "/v2/access-tokens", {"token_label": "more", "scopes": ["repo:read"]}),
    ):
        assert ask(method, path, body).status == 403, path


def test_failures_are_counted_and_told(hub: Hub) -> None:
    for number in range(11):
        answer = hub.inside.request("GET", _ME, auth=basic("member", f"wrong {number}"), client="198.51.100.7")
    assert (answer.status, answer.json["code"]) == (429, "TOO_MANY_REQUESTS")
    assert int(answer.headers["Retry-After"]) > 60
    answer = hub.inside.request("POST", "/v2/users/login", {"username": "member", "password": PASSWORD}, client="198.51.100.7")
    assert (answer.status, "Retry-After" in answer.headers) == (429, True)
    assert me(hub, hub.headers["member"]).status == 200


def test_a_token_of_nobody_is_none(hub: Hub) -> None:
    token_ = with_accounts(hub.place, lambda who: who.tokens.issue(ANYONE, parse_scopes([]))).token
    assert me(hub, f"Bearer {token_}").status == 401
