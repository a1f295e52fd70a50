"""The interface as a whole: its document, its headers, and what it makes of bodies and addresses that nobody should send."""

import json
import re
from collections.abc import Iterator
from typing import Any, Final

import pytest

from entrepot.web.api.application import BEGINNINGS, paths
from entrepot.web.api.routing import APPLICATION
from support.wire import plain_headers
from web.api.conftest import Hub

_SAFE: Final = {
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "content-security-policy": "default-src 'none'; sandbox; frame-ancestors 'none'",
}


def references(value: Any) -> Iterator[str]:
    """Give everything that a document refers to."""
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for each in value.values():
            yield from references(each)
    elif isinstance(value, list):
        for each in value:
            yield from references(each)


def test_the_document_describes_every_route_and_refers_to_nothing_that_is_missing(hub: Hub) -> None:
    answer = hub.ask("nobody", "GET", "/api/v1/openapi.json")
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json")
    document = answer.json
    assert document["openapi"].startswith("3.1")
    described = {(method.upper(), path) for path, item in document["paths"].items() for method in item}
    routed = {(method, getattr(route, "path", "")) for route in APPLICATION.routes for method in getattr(route, "methods", ())}
    assert described == routed == set(paths())
    operations = [operation for item in document["paths"].values() for operation in item.values()]
    assert all(operation["summary"] and operation["description"] for operation in operations)
    assert len({operation["operationId"] for operation in operations}) == len(operations) > 50
    for path, item in document["paths"].items():
        for operation in item.values():
            named = {each["name"] for each in operation.get("parameters", ()) if each["in"] == "path"}
            assert named == set(re.findall(r"\{(\w+)\}", path)), path
    for reference in references(document):
        found = document
        for part in reference.removeprefix("#/").split("/"):
            found = found[part]
        assert found


def test_the_first_segments_of_docker_hubs_paths_are_those_that_the_front_looks_for() -> None:
    assert {path[4:9].encode() for _, path in paths() if path.startswith("/v2/")} == BEGINNINGS


@pytest.mark.parametrize("path", ["/api/v1/user", "/api/v1/none", "/api/v1/repositories/team/app-private", "/v2/users/login"])
def test_every_answer_is_for_nobody_else_and_is_no_page(hub: Hub, path: str) -> None:
    headers = plain_headers(hub.ask("nobody", "GET", path))
    assert _SAFE.items() <= headers.items()
    assert not {"access-control-allow-origin", "set-cookie", "server"} & headers.keys()
    assert headers["content-type"] == "application/json"


@pytest.mark.parametrize("origin", ["https://evil.example", "null"])
def test_pages_of_other_sites_are_let_into_nothing(hub: Hub, origin: str) -> None:
    asked = hub.inside.request(
        "OPTIONS",
        "/api/v1/users",
        headers={"Origin": origin, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"},
    )
    assert asked.status == 405
    assert not [name for name in asked.headers if name.lower().startswith("access-control")]


HOSTILE: Final[dict[str, tuple[bytes, int]]] = {
    "nothing": (b"", 422),
    "no JSON": (b"{", 400),
    "a list": (b"[]", 400),
    "a text": (b'"x"', 400),
    "not UTF-8": (b'{"name":"\xff"}', 400),
    "a repeated key": (b'{"name":"a","name":"b"}', 400),
    "an unknown key": (b'{"name":"a","is_root":true}', 422),
    "another type": (b'{"name":"a","is_admin":"true"}', 422),
    "a number for a text": (b'{"name":1}', 422),
    "no number": (b'{"name":NaN}', 400),
    "a NUL": (b'{"name":"a\\u0000b"}', 400),
    "a NUL in a key": (b'{"na\\u0000me":"a"}', 400),
    "half a letter": (b'{"name":"\\ud800"}', 400),
    "deep": (b'{"name":' + b"[" * 5000 + b"]" * 5000 + b"}", 400),
    "many": (b'{"name":[' + b"{}," * 20_000 + b"{}]}", 400),
    "a long number": (b'{"name":' + b"9" * 5000 + b"}", 400),
    "long": (b'{"name":"' + b"a" * 2000 + b'"}', 422),
    "huge": (b'{"name":"' + b"a" * 70_000 + b'"}', 413),
    "no name": (b'{"name":"A B"}', 422),
    "a reserved name": (b'{"name":"api"}', 422),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_body_that_cannot_be_used_is_refused_with_a_reason(hub: Hub, kind: str) -> None:
    body, status = HOSTILE[kind]
    answer = hub.ask("admin", "POST", "/api/v1/users", body)
    assert answer.status == status, answer
    assert answer.json["code"] == ("INVALID" if status == 422 else "UNREADABLE")
    assert status != 422 or answer.json["detail"]["field"]
    assert len(answer.content) < 1000


def test_a_form_is_no_body(hub: Hub) -> None:
    headers = {"Content-Type": "text/plain"}
    answer = hub.inside.request("POST", "/api/v1/users", b'{"name":"x"}', auth=hub.headers["admin"], headers=headers)
    assert (answer.status, answer.json["code"]) == (415, "UNREADABLE")


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/v1/users/%00", 422),
        ("/api/v1/users/%ff", 422),
        ("/api/v1/users/..%2f..", 404),
        ("/api/v1/users/%2e%2e", 404),
        ("/api/v1/users/a%252Fb", 404),
        ("/api/v1/users?after=%00", 400),
        ("/api/v1/users?limit=0", 422),
        ("/api/v1/users?limit=100000000000000000000", 422),
        ("/api/v1/users?limit=x", 422),
        ("/api/v1/repositories/team/UPPER", 422),
        ("/api/v1/repositories/team/app-public/tags/-x", 422),
        ("/api/v1/repositories/team/app-deep%2Fbelow", 200),
        ("/api/v1/repositories/team/app-deep/below", 404),
        ("/api/v1/repositories?after=%E2%82%AC", 200),
        ("/api/v1/users/", 404),
        ("/api//v1/user", 404),
        ("/api/v2/user", 404),
        ("/api/", 404),
        ("/v2/repositories/team/app-deep%2Fbelow/tags/v1", 200),
        ("/v2/repositories/team/app-deep%252Fbelow/tags/v1", 422),
        ("/v2/repositories/team/app-public/tags?page=0", 422),
    ],
)
def test_an_address_means_one_thing(hub: Hub, path: str, status: int) -> None:
    answer = hub.ask("admin", "GET", path)
    assert answer.status == status, answer
    assert status == 200 or set(answer.json) in ({"code", "message", "detail"}, {"message", "detail", "errinfo"})


def test_a_method_that_is_not_there_is_told_with_those_that_are(hub: Hub) -> None:
    answer = hub.ask("admin", "POST", "/api/v1/repositories/team/app-public", {})
    assert answer.status == 405
    assert {each.strip() for each in answer.headers["Allow"].split(",")} <= {"GET", "PATCH", "DELETE"}


def test_addresses_of_the_registry_stay_the_registrys(hub: Hub) -> None:
    for path, status, key in (
        ("/v2/team/app-public/manifests/v1", 200, "schemaVersion"),
        ("/v2/team/app-public/tags/list", 200, "tags"),
        ("/v2/users/app/manifests/v1", 400, "errors"),
        ("/v2/repositories/team/app/manifests/v1", 400, "errors"),
        ("/v2/usersapp/x/tags/list", 404, "errors"),
        ("/v2/repositories", 405, "message"),
    ):
        answer = hub.ask("admin", "GET", path)
        assert (answer.status, key in json.loads(answer.content)) == (status, True), (path, answer)


def test_requests_are_counted_and_logged_like_others(hub: Hub, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    assert hub.ask("admin", "PATCH", "/api/v1/repositories/team/app-private", {"is_private": True}).status == 200
    counted = hub.inside.request("GET", "/metrics", client="127.0.0.1").content.decode()
    assert re.search(r'entrepot_requests_total\{route="api",method="PATCH",status="2xx"\} [1-9]', counted)
    told = [record for record in caplog.records if record.message in ("answered", "written")]
    assert {getattr(record, "status", 0) for record in told} == {200}
    assert "written" in {record.message for record in told}
