"""Signing in where two-factor sign-in is on: by the interface itself, and in Docker Hub's two steps."""

import base64

from entrepot.app.parts import Accounts
from entrepot.spec.otp import totp
from support.accounts import NETWORK, PASSWORD, basic, with_accounts
from support.parts import sql
from web.api.conftest import Hub


async def enrol(who: Accounts, hub: Hub) -> list[str]:
    """Turn two-factor sign-in on for a user; return their recovery codes."""
    account = await who.users.find("stranger")
    secret = (await who.people.factors.begin(account)).secret
    ((now,),) = await sql(hub.place, "SELECT CAST(strftime('%s', 'now') AS INTEGER)")
    code = totp.code(base64.b32decode(secret + "=" * (-len(secret) % 8)), now // totp.STEP_S)
    return await who.people.factors.confirm(account, code, NETWORK)


def test_a_password_is_not_enough_and_a_code_is_good_once(hub: Hub) -> None:
    codes = with_accounts(hub.place, lambda who: enrol(who, hub))
    ask = hub.inside.request
    assert ask("GET", "/api/v1/user", auth=basic("stranger", PASSWORD)).status == 401
    body = {"name": "stranger", "password": PASSWORD}
    refused = ask("POST", "/api/v1/token", body)
    assert (refused.status, refused.json["code"]) == (401, "CODE_NEEDED")
    assert ask("POST", "/api/v1/token", {**body, "code": "000000"}).json["code"] == "UNAUTHORIZED"
    assert ask("POST", "/api/v1/token", {**body, "password": "wrong password", "code": codes[0]}).status == 401
    given = ask("POST", "/api/v1/token", {**body, "code": codes[0]})
    assert given.status == 200, given
    assert ask("GET", "/api/v1/user", auth=f"Bearer {given.json['token']}").json["name"] == "stranger"
    assert ask("POST", "/api/v1/token", {**body, "code": codes[0]}).status == 401
    first = ask("POST", "/v2/users/login", {"username": "stranger", "password": PASSWORD})
    assert (first.status, first.json["detail"]) == (401, "Require secondary authentication on MFA enabled account")
    step = first.json["login_2fa_token"]
    assert ask("GET", "/api/v1/user", auth=f"Bearer {step}").status == 401
    assert ask("POST", "/v2/users/2fa-login", {"login_2fa_token": step, "code": "000000"}).status == 401
    assert ask("POST", "/v2/users/2fa-login", {"login_2fa_token": given.json["token"], "code": codes[1]}).status == 401
    second = ask("POST", "/v2/users/2fa-login/", {"login_2fa_token": step, "code": codes[1]})
    assert ask("GET", "/api/v1/user", auth=f"JWT {second.json['token']}").json["name"] == "stranger"
