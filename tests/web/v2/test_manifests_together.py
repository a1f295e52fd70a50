"""Manifests in numbers: several tags in one push, limits, and pushes at the same time."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import pytest

from support.commands import history
from support.http import Answer
from support.images import CONFIG, INDEX, MANIFEST
from support.instance import Instance
from support.wire import Repository, descriptor, digest_of, encoded

MAX_BYTES: Final = 4 << 20


def together(count: int, request: Callable[[int], Answer]) -> list[int]:
    """Do requests at the same time and return their statuses."""
    with ThreadPoolExecutor(count) as threads:
        return [answer.status for answer in threads.map(request, range(count))]


def padded(repo: Repository, size: int) -> bytes:
    """Return an image's manifest of exactly this size."""
    value = {"schemaVersion": 2, "mediaType": MANIFEST, "config": repo.blob(b"{}", CONFIG), "layers": [], "x": ""}
    value["x"] = "x" * (size - len(encoded(value)))
    return encoded(value)


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_several_tags_are_pushed_with_one_manifest(repo: Repository, algorithm: str) -> None:
    manifest = repo.image("first", seed=repo.name)
    digest = digest_of(manifest, algorithm)
    tags = [f"t{number}" for number in range(12)]
    answer = repo.put(f"{digest}?" + "&".join(f"tag={tag}" for tag in tags), manifest)
    assert (answer.status, answer.headers["Docker-Content-Digest"]) == (201, digest)
    assert answer.headers.getlist("OCI-Tag") == [", ".join(tags)], "one line: some clients refuse an answer of many"
    for tag in tags:
        assert repo.client.head(repo.at(f"manifests/{tag}")).headers["Docker-Content-Digest"] == digest
    assert set(repo.tags()) == {"first", *tags}


def test_a_tag_named_twice_is_moved_and_told_once(repo: Repository) -> None:
    manifest = repo.image("first")
    answer = repo.put(f"{digest_of(manifest)}?tag=a&tag=b&tag=a", manifest)
    assert answer.headers.getlist("OCI-Tag") == ["a, b"]


def test_a_push_by_tag_takes_more_tags_as_well(repo: Repository) -> None:
    manifest = repo.image("first")
    answer = repo.put("v1?tag=v1.2&tag=v1.2.3", manifest)
    assert answer.headers.getlist("OCI-Tag") == ["v1.2, v1.2.3"]
    assert repo.tags() == ["first", "v1", "v1.2", "v1.2.3"]
    assert "OCI-Tag" not in repo.put("v2", manifest).headers


def test_one_bad_tag_among_several_refuses_them_all(repo: Repository) -> None:
    manifest = repo.image("first")
    for bad in (".bad", "", "a/b", "x" * 129):
        answer = repo.put(f"{digest_of(manifest)}?tag=good&tag={bad}", manifest)
        assert (answer.status, answer.error_code) == (400, "TAG_INVALID")
    assert repo.tags() == ["first"]


def test_100_tags_are_accepted_and_one_more_is_not(repo: Repository) -> None:
    manifest = repo.image("first")
    query = "&".join(f"tag=t{number}" for number in range(100))
    assert repo.put(f"{digest_of(manifest)}?{query}", manifest).status == 201
    answer = repo.put(f"{digest_of(manifest)}?{query}&tag=more", manifest)
    assert (answer.status, answer.error_code) == (414, "TAG_INVALID")
    assert "at most 100" in answer.json["errors"][0]["message"]
    assert len(repo.tags()) == 101
    assert repo.put(f"{digest_of(manifest)}?{'&'.join(['x=y'] * 201)}", manifest).status == 400


@pytest.mark.parametrize("chunked", [True, False])
def test_4_mib_are_accepted_and_one_byte_more_is_not(repo: Repository, *, chunked: bool) -> None:
    most, more = padded(repo, MAX_BYTES), padded(repo, MAX_BYTES + 1)
    headers = {"Content-Type": MANIFEST, **({"Transfer-Encoding": "chunked"} if chunked else {})}
    for content, status in ((most, 201), (more, 413)):
        body = iter([content[:MAX_BYTES], content[MAX_BYTES:]]) if chunked else content
        answer = repo.client.put(repo.at("manifests/v1"), body=body, headers=headers)
        assert answer.status == status
    assert answer.error_code == "SIZE_INVALID"
    assert str(MAX_BYTES) in answer.json["errors"][0]["message"]
    assert repo.client.get(repo.at("manifests/v1")).content == most


def test_the_same_manifest_and_tag_pushed_at_once_always_succeed(hub: Instance, repo: Repository) -> None:
    manifest = repo.image("before", seed=repo.name)
    assert together(12, lambda _: repo.put("v1", manifest)) == [201] * 12
    assert [(move["from_digest"], move["to_digest"]) for move in history(hub, repo.name, "v1")] == [(None, digest_of(manifest))]


def test_different_manifests_pushed_to_one_tag_leave_an_unbroken_history(hub: Instance, repo: Repository) -> None:
    manifests = [repo.image(seed=f"{repo.name}{number}") for number in range(6)]
    assert together(12, lambda number: repo.put("v1", manifests[number % 6])) == [201] * 12
    moves = history(hub, repo.name, "v1")[::-1]
    assert moves[0]["from_digest"] is None
    assert [move["from_digest"] for move in moves[1:]] == [move["to_digest"] for move in moves[:-1]]
    assert all(move["from_digest"] != move["to_digest"] for move in moves)
    assert {move["to_digest"] for move in moves} == {digest_of(manifest) for manifest in manifests}
    assert digest_of(repo.client.get(repo.at("manifests/v1")).content) == moves[-1]["to_digest"]


def test_pushes_of_several_tags_in_opposite_orders_do_not_wait_for_ever(repo: Repository) -> None:
    manifests = [repo.image(seed=f"{repo.name}{number}") for number in range(4)]
    tags = [f"tag={letter}" for letter in "abcdefgh"]

    def push(number: int) -> Answer:
        order = tags if number % 2 else tags[::-1]
        manifest = manifests[number % 4]
        return repo.put(f"{digest_of(manifest)}?{'&'.join(order)}", manifest)

    assert together(8, push) == [201] * 8
    assert len({digest_of(repo.client.get(repo.at(f"manifests/{letter}")).content) for letter in "abcdefgh"}) == 1


def test_a_push_and_a_deletion_of_one_manifest_at_once_both_answer(repo: Repository) -> None:
    manifest = repo.image("v1", seed=repo.name)
    path = repo.at(f"manifests/{digest_of(manifest)}")
    statuses = together(8, lambda number: repo.put("v1", manifest) if number % 2 else repo.client.delete(path))
    assert set(statuses[1::2]) == {201}
    assert set(statuses[::2]) <= {202, 404}


def test_first_pushes_to_new_repositories_of_one_new_namespace_all_succeed(repo: Repository) -> None:
    namespace = repo.name.replace("/", "-")
    index = encoded({"schemaVersion": 2, "mediaType": INDEX, "manifests": []})
    assert together(8, lambda number: Repository(repo.client, f"{namespace}/r{number % 4}").put("v1", index, INDEX)) == [201] * 8


@pytest.mark.parametrize(
    ("sparse", "index_status", "image_status"), [("none", 400, 400), ("indexes", 201, 400), ("images", 201, 201)]
)
def test_incomplete_manifests_are_taken_as_the_setting_says(
    serve: Callable[..., Instance], sparse: str, index_status: int, image_status: int
) -> None:
    repo = Repository(serve(sparse=sparse).client(), "demo/sparse")
    index = encoded({"schemaVersion": 2, "manifests": [descriptor(b"absent", MANIFEST)]})
    assert repo.put("index", index, INDEX).status == index_status
    layers = [descriptor(b"absent")]
    image = encoded({"schemaVersion": 2, "config": repo.blob(b"{}", CONFIG), "layers": layers})
    assert repo.put("image", image).status == image_status
