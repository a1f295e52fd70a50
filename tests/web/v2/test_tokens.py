"""The token service, as each client asks it, and what is made of tokens that it did not give."""

import base64
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from entrepot.app.parts import Accounts
from entrepot.base.settings import Settings
from entrepot.domain.accounts.model import Scope, Terms
from entrepot.spec.otp import totp
from support import images
from support.accounts import NETWORK, PASSWORD, Signed, basic, bearer, with_accounts
from support.history import rows
from support.http import Answer, Client
from support.instance import Instance
from support.people import secret_of
from support.wire import Repository

FORM: Final = {"Content-Type": "application/x-www-form-urlencoded"}
SCOPE: Final = "repository:ann/app:pull,push"


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    with Instance(tmp_path_factory.mktemp("tokens") / "data", access="accounts", admin_password=PASSWORD) as instance:
        with_accounts(Settings(data=str(instance.data)), lambda who: who.users.add("ann", PASSWORD, email="ann@example.com"))
        yield instance


@pytest.fixture
def client(hub: Instance) -> Client:
    return hub.client()


def test_with_two_factor_sign_in_a_client_is_told_to_use_a_token(hub: Instance, client: Client) -> None:
    settings = Settings(data=str(hub.data))

    async def turn_on(who: Accounts) -> str:
        account = await who.users.add("two", PASSWORD)
        secret = secret_of((await who.people.factors.begin(account)).secret)
        await who.people.factors.confirm(account, totp.code(secret, int(time.time()) // totp.STEP_S), NETWORK)
        return (await who.credentials.add_personal("two", "laptop", Terms()))[1]

    token = with_accounts(settings, turn_on)
    for path in ("/token", "/v2/"):
        refused = client.get(path, headers={"Authorization": basic("two", PASSWORD)})
        assert (refused.status, refused.error_code) == (401, "UNAUTHORIZED")
        assert "make a token" in refused.json["errors"][0]["message"]
        wrong = client.get(path, headers={"Authorization": basic("two", "wrong password")})
        assert (wrong.status, "make a token" in wrong.json["errors"][0]["message"]) == (401, False)
        assert client.get(path, headers={"Authorization": basic("two", token)}).status == 200


@pytest.fixture
def secret(hub: Instance) -> str:
    """A token of ann's."""
    terms = Terms(Scope.WRITE)
    return with_accounts(Settings(data=str(hub.data)), lambda who: who.credentials.add_personal("ann", "ci", terms))[1]


def access(answer: Answer) -> list[dict[str, Any]]:
    """Return what a token is for, as it says itself."""
    assert answer.status == 200, answer
    assert answer.json["token"] == answer.json["access_token"]
    payload = answer.json["token"].split(".")[1]
    found: list[dict[str, Any]] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["access"]
    return found


def test_the_ping_asks_for_a_token_and_takes_one(client: Client) -> None:
    asked = client.get("/v2/")
    assert (asked.status, asked.error_code) == (401, "UNAUTHORIZED")
    host = client.address[1]
    assert asked.headers["www-authenticate"] == (f'Bearer realm="http://127.0.0.1:{host}/token",service="127.0.0.1:{host}"')
    for header in (basic("ann", PASSWORD), bearer(client, basic("ann", PASSWORD)), bearer(client, None)):
        assert client.get("/v2/", headers={"Authorization": header}).status == 200
        assert client.get("/v2", headers={"Authorization": header}).status == 200


def test_the_public_address_is_the_one_that_is_told(tmp_path: Path) -> None:
    with Instance(tmp_path / "data", access="accounts", admin_password=PASSWORD, public_url="https://hub.example") as instance:
        for host in ("localhost", "evil.example", 'x",error="'):
            told = instance.client().get("/v2/", headers={"Host": host}).headers["www-authenticate"]
            assert told == 'Bearer realm="https://hub.example/token",service="hub.example"'


@pytest.mark.parametrize("host", ['evil.example",scope="x', "a b", "x" * 300, "[::1]:99999999", ""])
def test_a_host_that_is_none_gets_into_no_header(client: Client, host: str) -> None:
    assert 'service="localhost"' in client.get("/v2/", headers={"Host": host}).headers["www-authenticate"]


def test_a_token_is_for_as_much_as_may_be_done_of_what_was_asked_for(client: Client) -> None:
    Repository(Signed(f"http://127.0.0.1:{client.address[1]}", basic("ann", PASSWORD)), "ann/app").image("v1")
    ours = {"Authorization": basic("ann", PASSWORD)}
    query = urlencode([("scope", f"{SCOPE} repository:admins/app:pull"), ("scope", "repository:ann/app:*")])
    assert access(client.get(f"/token?{query}", headers=ours)) == [
        {"type": "repository", "name": "ann/app", "actions": ["pull", "push", "delete"]}
    ]
    assert access(client.get(f"/token?{query}")) == [{"type": "repository", "name": "ann/app", "actions": ["pull"]}]
    for scope in ("*", "registry:catalog:*", "repository:ann/app:fly", "repository:UPPER:pull", "x", "repository::", ""):
        assert access(client.get(f"/token?{urlencode({'scope': scope})}", headers=ours)) == []


def test_what_docker_sends_at_login_is_answered_with_what_it_wants(client: Client) -> None:
    query = "account=ann&client_id=docker&offline_token=true&service=localhost"
    answer = client.get(f"/token?{query}", headers={"Authorization": basic("ann", PASSWORD)})
    assert access(answer) == []
    assert answer.json["expires_in"] == 300
    issued = time.strptime(answer.json["issued_at"], "%Y-%m-%dT%H:%M:%SZ")
    assert abs(time.mktime(issued) - time.timezone - time.time()) < 5
    assert "refresh_token" not in answer.json
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "header", [basic("ann", "wrong password"), basic("nobody", PASSWORD), basic("", ""), "Basic !", "Digest x"]
)
def test_a_secret_that_is_wrong_is_refused_without_a_challenge_that_leads_back_here(client: Client, header: str) -> None:
    answer = client.get(f"/token?scope={SCOPE}", headers={"Authorization": header})
    assert (answer.status, answer.error_code) == (401, "UNAUTHORIZED")
    assert "www-authenticate" not in answer.headers


def test_the_form_takes_passwords_and_secrets_and_several_scopes(client: Client, secret: str) -> None:
    for fields in (
        {"grant_type": "password", "username": "ann", "password": PASSWORD},
        {"grant_type": "password", "username": "ann@example.com", "password": PASSWORD},
        {"grant_type": "password", "username": "anything", "password": secret},
        {"grant_type": "refresh_token", "refresh_token": secret},
    ):
        form = urlencode([*fields.items(), ("scope", SCOPE), ("scope", "repository:ann/two:push"), ("service", "x")])
        found = access(client.post("/token", body=form, headers=FORM))
        assert [(each["name"], each["actions"]) for each in found] == [("ann/app", ["pull", "push"]), ("ann/two", ["push"])]


@pytest.mark.parametrize(
    ("form", "status"),
    [
        ("grant_type=password&username=ann&password=wrong", 401),
        ("grant_type=refresh_token&refresh_token=wrong", 401),
        ("grant_type=authorization_code&code=x", 400),
        ("", 400),
        ("grant_type=%ff", 400),
        ("&".join(["a=b"] * 300), 400),
    ],
)
def test_a_form_that_proves_nothing_is_refused(client: Client, form: str, status: int) -> None:
    assert client.post("/token", body=form, headers=FORM).status == status


def test_other_methods_are_refused(client: Client) -> None:
    assert client.put("/token", body=b"x").headers["allow"] == "GET, HEAD, POST"
    assert client.post("/token", body=b"x" * 70_000, headers=FORM).status == 413


def test_whoever_gets_the_public_keys_can_check_a_token(client: Client) -> None:
    keys = client.get("/.well-known/jwks.json").json["keys"]
    token = bearer(client, basic("ann", PASSWORD), SCOPE).removeprefix("Bearer ")
    assert [set(key) for key in keys] == [{"crv", "kty", "x", "y", "kid", "use", "alg"}]
    assert jwt.decode(token, jwt.PyJWK(keys[0]), algorithms=["ES256"], audience="entrepot registry")["sub"] == "ann"


def forged(client: Client) -> Iterator[tuple[str, str]]:
    """Yield tokens that are nearly right, each with what is wrong with it."""
    right = bearer(client, basic("ann", PASSWORD), SCOPE).removeprefix("Bearer ")
    header, claims = jwt.get_unverified_header(right), jwt.decode(right, options={"verify_signature": False})
    other = ec.generate_private_key(ec.SECP256R1())
    (public,) = client.get("/.well-known/jwks.json").json["keys"]
    pem = jwt.PyJWK(public).key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    head, body, signature = right.split(".")
    yield "another key", jwt.encode(claims, other, "ES256", header)
    yield "another key of ours", jwt.encode(claims, other, "ES256", {**header, "kid": "none"})
    yield "no signature", f"{_text({**header, 'alg': 'none'})}.{body}."
    yield "our public key as a secret", _signed_with_text({**header, "alg": "HS256"}, claims, pem)
    yield "another algorithm", jwt.encode(claims, rsa.generate_private_key(65537, 2048), "RS256", {**header, "alg": "RS256"})
    yield "more than was signed", ".".join((head, _text({**claims, "sub": "admin"}), signature))
    yield "another kind", ".".join((_text({**header, "typ": "JWT"}), body, signature))
    yield "cut off", right[:-5]
    yield "no token", "x"
    yield "very long", "x" * 50_000


def _text(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def _signed_with_text(header: dict[str, Any], claims: dict[str, Any], key: bytes) -> str:
    import hashlib  # noqa: PLC0415
    import hmac  # noqa: PLC0415

    told = f"{_text(header)}.{_text(claims)}"
    signature = base64.urlsafe_b64encode(hmac.digest(key, told.encode(), hashlib.sha256)).rstrip(b"=").decode()
    return f"{told}.{signature}"


def test_a_token_that_was_not_given_here_for_this_is_refused(client: Client) -> None:
    for wrong, token in forged(client):
        for path in ("/v2/", "/v2/ann/app/tags/list"):
            answer = client.get(path, headers={"Authorization": f"Bearer {token}"})
            assert answer.status == 401, wrong
            assert 'error="invalid_token"' in answer.headers["www-authenticate"], wrong


def test_a_token_ends_when_its_holder_may_no_longer_sign_in(hub: Instance, client: Client, secret: str) -> None:
    place = Settings(data=str(hub.data))
    for header in (basic("ann", PASSWORD), basic("ann", secret)):
        token = bearer(client, header, "repository:ann/ends:push")
        push = Repository(Signed(hub.url, token), "ann/ends")
        assert push.client.post(push.at("blobs/uploads/")).status == 202
        with_accounts(place, lambda who: who.users.set_active("ann", is_active=False))
        answer = push.client.post(push.at("blobs/uploads/"))
        assert (answer.status, 'error="invalid_token"' in answer.headers["www-authenticate"]) == (401, True)
        with_accounts(place, lambda who: who.users.set_active("ann", is_active=True))


def test_after_many_failures_it_is_told_when_to_try_again(hub: Instance, client: Client) -> None:
    with_accounts(Settings(data=str(hub.data)), lambda who: who.users.add("tired", PASSWORD))
    wrong = {"Authorization": basic("tired", "wrong password")}
    assert {client.get("/token", headers=wrong).status for _ in range(10)} == {401}
    answer = client.get("/token", headers={"Authorization": basic("tired", PASSWORD)})
    assert (answer.status, answer.error_code) == (429, "TOOMANYREQUESTS")
    assert 0 < int(answer.headers["retry-after"]) <= 900


def test_a_hub_that_is_closed_serves_nobody_without_a_name(tmp_path: Path) -> None:
    with Instance(tmp_path / "data", access="accounts", anonymous="none", admin_password=PASSWORD) as instance:
        ours = Repository(Signed(instance.url, basic("admin", PASSWORD)), "team/app")
        ours.image("v1")
        nobody = instance.client()
        for header in (None, bearer(nobody, None, "repository:team/app:pull")):
            client = Signed(instance.url, header)
            assert client.get("/v2/team/app/manifests/v1").status == 401
            assert client.get("/v2/_catalog").status == 401
        with_accounts(Settings(data=str(instance.data)), lambda who: who.users.add("ann", PASSWORD))
        assert Signed(instance.url, basic("ann", PASSWORD)).get("/v2/team/app/manifests/v1").status == 200


def test_who_signs_in_and_deletes_is_recorded_with_token_and_address_and_soon_in_the_chain(hub: Instance) -> None:
    place = Settings(data=str(hub.data))
    terms = Terms(Scope.DELETE)
    made, secret = with_accounts(place, lambda who: who.credentials.add_personal("ann", "cleaner", terms))
    repo = Repository(Signed(hub.url, basic("ann", secret)), "ann/cleaned")
    images.push(repo.client, repo.name, images.simple_image(1), "v1")
    token = bearer(hub.client(), basic("ann", secret), "repository:ann/cleaned:delete")
    assert Signed(hub.url, token).request("DELETE", "/v2/ann/cleaned/manifests/v1").status == 202
    assert hub.client().get("/token", headers={"Authorization": basic("ann", "a wrong password")}).status == 401
    columns = "SELECT act, outcome, actor, address, target FROM audit_event"
    mine = rows(place, f"{columns} WHERE credential = $1 ORDER BY id", made.id)
    assert mine == [
        ("sign-in", "done", "ann", "127.0.0.1", "ann"),
        ("tag.delete", "done", "ann", "127.0.0.1", "ann/cleaned:v1"),
    ]
    assert rows(place, f"{columns} ORDER BY id DESC LIMIT 1") == [("sign-in", "refused", "anyone", "127.0.0.1", "ann")]
    deadline = time.monotonic() + 10.0
    while rows(place, "SELECT count(*) FROM audit_event WHERE position IS NULL") != [(0,)]:
        assert time.monotonic() < deadline
        time.sleep(0.05)
