"""Tags: listing them in pages, deleting one, and the record of every move."""

import random
from collections.abc import Iterator
from typing import Final
from urllib.parse import parse_qs, urlsplit

import pytest

from support.commands import history
from support.http import Client
from support.instance import Instance
from support.wire import Repository, digest_of

# Byte order: capitals before small letters, the underscore between them, whatever a locale says.
ODD: Final = ["0", "1", "10", "2", "A", "B", "Z", "_", "_a", "a", "a-b", "a.b", "aB", "a_b", "ab", "b", "z"]


def following(path: str, link: str) -> str:
    """Check a Link's form and return where it leads."""
    assert link.startswith(f"<{path}?")
    assert link.endswith('>; rel="next"')
    return link.removeprefix("<").partition(">")[0]


def pages(client: Client, path: str, query: str, noun: str) -> Iterator[list[str]]:
    """Follow the Link of a list from page to page."""
    address = f"{path}{query}"
    while address:
        answer = client.get(address)
        assert answer.status == 200
        yield answer.json[noun]
        link = answer.headers.get("Link")
        address = following(path, link) if link else ""


@pytest.fixture(scope="module")
def many(hub: Instance) -> Repository:
    """A repository with 1,250 tags."""
    repo = Repository(hub.client(), "tests/many-tags")
    manifest = repo.image("latest")
    names = [f"v{number}" for number in range(1249)]
    random.Random(3).shuffle(names)
    for place in range(0, len(names), 100):
        query = "&".join(f"tag={name}" for name in names[place : place + 100])
        assert repo.put(f"{digest_of(manifest)}?{query}", manifest).status == 201
    return repo


def test_tags_are_listed_in_byte_order_under_the_name_that_was_asked_for(repo: Repository) -> None:
    manifest = repo.image("z")
    assert repo.put(f"{digest_of(manifest)}?" + "&".join(f"tag={tag}" for tag in reversed(ODD)), manifest).status == 201
    answer = repo.client.get(repo.at("tags/list"))
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json")
    assert answer.json == {"name": repo.name, "tags": ODD}
    assert "Link" not in answer.headers
    head = repo.client.head(repo.at("tags/list"))
    assert (head.status, head.content, head.headers["Content-Length"]) == (200, b"", str(len(answer.content)))


@pytest.mark.parametrize("size", [1, 2, 5, 16, 17, 18])
def test_pages_of_any_size_give_every_tag_once(repo: Repository, size: int) -> None:
    manifest = repo.image("z")
    repo.put(f"{digest_of(manifest)}?" + "&".join(f"tag={tag}" for tag in ODD), manifest)
    found = list(pages(repo.client, repo.at("tags/list"), f"?n={size}", "tags"))
    assert [tag for page in found for tag in page] == ODD
    assert [len(page) for page in found] == [len(ODD[place : place + size]) for place in range(0, len(ODD), size)]


def test_a_link_leads_on_with_the_same_size(repo: Repository) -> None:
    repo.image("a", "b", "c")
    link = repo.client.get(repo.at("tags/list?n=2")).headers["Link"]
    assert parse_qs(urlsplit(following(repo.at("tags/list"), link)).query) == {"n": ["2"], "last": ["b"]}


def test_a_list_begins_behind_last_which_need_not_exist(repo: Repository) -> None:
    repo.image("a", "b", "d")
    assert repo.tags("?last=a") == ["b", "d"]
    assert repo.tags("?last=c") == ["d"]
    assert repo.tags("?last=bb&n=1") == ["d"]
    assert repo.tags("?last=d") == repo.tags("?last=~") == []
    assert repo.tags("?last=") == ["a", "b", "d"]


def test_no_entries_asked_for_gives_none_and_no_link(repo: Repository) -> None:
    repo.image("a", "b")
    answer = repo.client.get(repo.at("tags/list?n=0"))
    assert (answer.json["tags"], answer.headers.get("Link")) == ([], None)


@pytest.mark.parametrize("text", ["-1", "x", "1.5", "+1", "0x1", "1e3", "%D9%A1", "%20", "1%20"])
def test_a_number_that_is_none_is_refused(repo: Repository, text: str) -> None:
    repo.image("a")
    for path in (repo.at("tags/list"), "/v2/_catalog"):
        answer = repo.client.get(f"{path}?n={text}")
        assert (answer.status, answer.error_code) == (400, "PAGINATION_NUMBER_INVALID")


def test_a_page_has_at_most_1000_tags_and_the_rest_follows(many: Repository) -> None:
    expected = sorted(["latest", *(f"v{number}" for number in range(1249))])
    for query in ("", "?n=", "?n=1000", "?n=1001", "?n=99999999999999999999"):
        found = list(pages(many.client, many.at("tags/list"), query, "tags"))
        assert [len(page) for page in found] == [1000, 250]
        assert [tag for page in found for tag in page] == expected
    assert [tag for page in pages(many.client, many.at("tags/list"), "?n=300", "tags") for tag in page] == expected


def test_a_repository_that_nothing_was_pushed_to_has_no_list(repo: Repository) -> None:
    for _ in range(2):
        answer = repo.client.get(repo.at("tags/list"))
        assert (answer.status, answer.error_code) == (404, "NAME_UNKNOWN")
        repo.blob(b"a blob is not yet a push")


def test_a_repository_whose_tags_are_all_deleted_has_an_empty_list(repo: Repository) -> None:
    repo.image("v1")
    assert repo.client.delete(repo.at("manifests/v1")).status == 202
    assert repo.client.get(repo.at("tags/list")).content == f'{{"name":"{repo.name}","tags":[]}}'.encode()


def test_deleting_one_tag_leaves_its_siblings_and_the_manifest(repo: Repository) -> None:
    manifest = repo.image("a", "b", "c")
    answer = repo.client.delete(repo.at("manifests/b"))
    assert (answer.status, answer.content) == (202, b"")
    assert repo.tags() == ["a", "c"]
    for reference in ("a", "c", digest_of(manifest)):
        assert repo.client.get(repo.at(f"manifests/{reference}")).content == manifest
    again = repo.client.delete(repo.at("manifests/b"))
    assert (again.status, again.error_code) == (404, "MANIFEST_UNKNOWN")


def test_every_move_of_a_tag_is_recorded(hub: Instance, repo: Repository) -> None:
    first, second = repo.image(seed="first"), repo.image(seed="second")
    for manifest in (first, first, second, first):
        assert repo.put("v1", manifest).status == 201
    assert repo.client.delete(repo.at("manifests/v1")).status == 202
    assert repo.put("v1", second).status == 201
    assert repo.client.delete(repo.at(f"manifests/{digest_of(second)}")).status == 202
    moves = history(hub, repo.name, "v1")
    one, two = digest_of(first), digest_of(second)
    expected = [(None, one), (one, two), (two, one), (one, None), (None, two), (two, None)]
    assert [(move["from_digest"], move["to_digest"]) for move in moves] == expected[::-1]
    assert {move["actor"] for move in moves} == {"anyone"}
    assert {move["name"] for move in moves} == {"v1"}
    assert [move["moved_at"] for move in moves] == sorted((move["moved_at"] for move in moves), reverse=True)
    assert history(hub, repo.name, "never") == []


def test_the_catalogue_lists_what_was_pushed_to_in_byte_order_and_pages(client: Client, repository: str) -> None:
    names = [f"catalogue/{name}" for name in ("a", "a-b", "a.b", "a/b", "a_b", "ab", "b")]
    for name in reversed(names):
        Repository(client, name).image("v1")
    only_blob, only_upload = Repository(client, "catalogue/blob"), Repository(client, "catalogue/upload")
    only_blob.blob(repository.encode())
    only_upload.begin()
    Repository(client, "catalogued").image("v1")
    for size in (1, 2, 3, 1000):
        found = [name for page in pages(client, "/v2/_catalog", f"?n={size}", "repositories") for name in page]
        assert found == sorted(found, key=str.encode)
        assert [name for name in found if name.startswith("catalogue/")] == names
        assert "library/catalogued" in found
    assert client.get("/v2/_catalog?last=catalogue/ab&n=1").json == {"repositories": ["catalogue/b"]}
    answer = client.get("/v2/_catalog?n=0")
    assert (answer.json, answer.headers.get("Link")) == ({"repositories": []}, None)


def test_a_repository_stays_in_the_catalogue_when_its_manifests_are_deleted(client: Client, repo: Repository) -> None:
    manifest = repo.image("v1")
    client.delete(repo.at(f"manifests/{digest_of(manifest)}"))
    found = [name for page in pages(client, "/v2/_catalog", "", "repositories") for name in page]
    assert repo.name in found
