"""Addresses under /v2/: read from the right, and answered in the specification's form however mistaken they are."""

import json
from typing import Final

import pytest

from support.http import Answer, Client
from support.wire import SAFE, Repository, digest_of, plain_headers

SOME: Final = digest_of(b"some")
ID: Final = "00000000-0000-4000-8000-000000000000"
METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW")
ALLOWED: Final = {
    "/v2/": "GET, HEAD",
    "/v2/_catalog": "GET, HEAD",
    "/v2/a/manifests/v1": "GET, HEAD, PUT, DELETE",
    f"/v2/a/blobs/{SOME}": "GET, HEAD, DELETE",
    "/v2/a/blobs/uploads/": "POST",
    "/v2/a/blobs/uploads": "POST",
    f"/v2/a/blobs/uploads/{ID}": "GET, HEAD, PATCH, PUT, DELETE",
    "/v2/a/tags/list": "GET, HEAD",
    f"/v2/a/referrers/{SOME}": "GET, HEAD",
}
UNKNOWN: Final = [
    "/v2/x",
    "/v2/x/y",
    "/v2/x/y/",
    "/v2/manifests/v1",
    "/v2/blobs/uploads/",
    f"/v2/blobs/{SOME}",
    "/v2/tags/list",
    f"/v2/referrers/{SOME}",
    "/v2/a/tags",
    "/v2/a/tags/list/",
    "/v2/a/tags/list/more",
    "/v2/a/manifests",
    "/v2/a/blobs",
    "/v2/a/blobs/",
    "/v2/_catalog/",
    "/v2/_oci/ext/discover",
    "/v2/a/blobs/uploads/uploads",
    "/v2/token",
    "/v2//",
    "/v2/%2e%2e/healthz",
]


def check_error(answer: Answer, status: int, code: str) -> None:
    """Check that an answer is an error in the specification's form, with a sentence, and can never become a page."""
    assert answer.status == status
    assert answer.headers["Content-Type"] == "application/json"
    assert [error["code"] for error in answer.json["errors"]] == [code]
    assert set(answer.json["errors"][0]) == {"code", "message", "detail"}
    assert len(answer.json["errors"][0]["message"]) > 10
    assert SAFE.items() <= plain_headers(answer).items()


def test_the_ping_says_what_this_is(client: Client) -> None:
    for path in ("/v2/", "/v2"):
        answer = client.get(path)
        assert (answer.status, answer.content) == (200, b"{}")
        assert answer.headers["Content-Type"] == "application/json"
        assert SAFE.items() <= plain_headers(answer).items()
        assert plain_headers(client.head(path)) == plain_headers(answer)


@pytest.mark.parametrize(
    "name",
    [
        "library",
        "single",
        "a/b/c/d/e/f",
        "team/manifests",
        "team/blobs",
        "team/tags",
        "team/list",
        "team/referrers",
        "blobs/uploads",
        "manifests/manifests",
        "tags/list/tags",
        "team/blobs/uploads",
        "team/blobs/uploads/more",
        "team/referrers/x/manifests/y/blobs/uploads/z/tags/list",
    ],
)
def test_a_name_may_contain_the_words_of_the_interface(client: Client, name: str) -> None:
    repo = Repository(client, name)
    manifest = repo.image("v1", "list", "uploads", "manifests", seed=name)
    for reference in ("v1", "list", "uploads", "manifests", digest_of(manifest)):
        assert client.get(repo.at(f"manifests/{reference}")).content == manifest
    assert client.get(repo.at("tags/list")).json == {"name": name, "tags": ["list", "manifests", "uploads", "v1"]}
    assert client.get(repo.at(f"referrers/{digest_of(manifest)}")).json["manifests"] == []
    assert repo.has_blob(digest_of(f"layer {name}".encode()))
    location = repo.begin()
    assert client.get(location).status == 204
    assert client.delete(location).status == 204


@pytest.mark.parametrize("name", ["a%2Fb", "a%2fb", "%61", "a/b%00", "a%20b", "a/%2e%2e/b", "a%25b"])
def test_a_name_with_an_escape_is_refused(client: Client, name: str) -> None:
    for method, rest in (("GET", "manifests/v1"), ("GET", "tags/list"), ("POST", "blobs/uploads/"), ("GET", f"blobs/{SOME}")):
        check_error(client.request(method, f"/v2/{name}/{rest}"), 400, "NAME_INVALID")


@pytest.mark.parametrize(
    "name", ["A", "a_", "-a", "a//b", "a/", "/a", "a/../b", "a b", "a\\b", "search", "v2/x", "library/token", "a" * 256]
)
def test_what_is_no_name_is_refused_wherever_it_stands(client: Client, name: str) -> None:
    quoted = name.replace(" ", "%20")
    for rest in ("manifests/v1", "tags/list", f"blobs/{SOME}", f"referrers/{SOME}", f"blobs/uploads/{ID}"):
        check_error(client.get(f"/v2/{quoted}/{rest}"), 400, "NAME_INVALID")


@pytest.mark.parametrize("path", UNKNOWN)
def test_an_unknown_address_is_answered_in_the_specifications_form(client: Client, path: str) -> None:
    for method in ("GET", "POST", "DELETE", "OPTIONS"):
        check_error(client.request(method, path), 404, "NAME_UNKNOWN")


def test_an_address_that_only_begins_like_the_interface_is_not_part_of_it(client: Client) -> None:
    for path in ("/v2x", "/v2.", "/v20/"):
        assert client.get(path).status == 404


@pytest.mark.parametrize("path", ALLOWED)
def test_an_unknown_method_is_told_which_ones_there_are(client: Client, path: str) -> None:
    for method in METHODS:
        if method not in ("HEAD", *ALLOWED[path].split(", ")):
            answer = client.request(method, path)
            check_error(answer, 405, "UNSUPPORTED")
            assert answer.headers["Allow"] == ALLOWED[path]


def test_head_where_only_post_is_known_has_no_body(client: Client) -> None:
    answer = client.head("/v2/a/blobs/uploads/")
    assert (answer.status, answer.content, answer.headers["Allow"]) == (405, b"", "POST")


@pytest.mark.parametrize("query", ["?n=1&" + "x=1&" * 200, "?last=%ff", "?last=%00", "?last=%ED%A0%80"])
def test_a_query_that_cannot_be_read_is_refused(client: Client, repo: Repository, query: str) -> None:
    repo.image("v1")
    for path in ("/v2/_catalog", repo.at("tags/list")):
        check_error(client.get(path + query), 400, "UNSUPPORTED")


@pytest.mark.parametrize(
    "query", ["?x=y", "?", "?n", "?=", "?&&&", "?ns=docker.io", "?last=%E2%82%AC", "?last='", "?n=1;last=2&n=2", "?last=%2500"]
)
def test_a_query_that_means_nothing_is_ignored(client: Client, repo: Repository, query: str) -> None:
    repo.image("v1")
    assert client.get(repo.at("tags/list") + query).status in (200, 400)
    assert client.get(repo.at("manifests/v1") + query).status == 200


@pytest.mark.parametrize(
    "target",
    [
        b"/v2/\xc3\xa4/tags/list",
        b"/v2/\xff",
        b"/v2/a/tags/list?last=\xff",
        b"/v2/a/manifests/v1#fragment",
        b"//v2/",
        b"/v2/../../etc/passwd",
        b"/v2/a/blobs/../../../etc/passwd",
        b"*",
        b"http://[/v2/",
        b"/v2/" + b"a/" * 4000,
    ],
)
def test_no_address_gets_more_than_a_refusal(client: Client, target: bytes) -> None:
    answer = client.raw(b"GET " + target + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    status = answer.split(b" ", 2)[1]
    assert status[:1] == b"4", answer[:300]
    head, _, body = answer.partition(b"\r\n\r\n")
    if target.startswith(b"/v2/") and body:
        assert b"x-content-type-options: nosniff" in head.lower()
        assert json.loads(body)["errors"]
