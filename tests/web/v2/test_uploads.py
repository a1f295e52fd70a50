"""Uploads: every flow of the specification, and what happens to one that goes wrong."""

import re
from typing import Final

import pytest

from support.http import Client
from support.wire import SAFE, Repository, digest_of, plain_headers

UUID: Final = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
CONTENT: Final = b"0123456789" * 30
CONTENTS: Final = pytest.mark.parametrize("content", [CONTENT, b"", b"{}", bytes(3 << 20)], ids=["some", "none", "{}", "3 MiB"])
ALGORITHMS: Final = pytest.mark.parametrize("algorithm", ["sha256", "sha512"])


def check_blob(repo: Repository, content: bytes, digest: str) -> None:
    """Pull a blob and compare it."""
    answer = repo.client.get(repo.at(f"blobs/{digest}"))
    assert (answer.status, answer.headers["Docker-Content-Digest"]) == (200, digest)
    assert answer.content == content


def test_a_begun_upload_is_told_where_it_is_and_that_nothing_has_come(repo: Repository) -> None:
    for ending in ("blobs/uploads/", "blobs/uploads"):
        answer = repo.client.post(repo.at(ending))
        assert (answer.status, answer.content) == (202, b"")
        assert re.fullmatch(re.escape(repo.at("blobs/uploads/")) + UUID, answer.headers["Location"])
        assert answer.headers["Range"] == "0-0"
        assert answer.headers["Docker-Upload-UUID"] == answer.headers["Location"].rpartition("/")[2]
        assert SAFE.items() <= plain_headers(answer).items()


@CONTENTS
@ALGORITHMS
def test_post_then_put_makes_a_blob(repo: Repository, content: bytes, algorithm: str) -> None:
    digest = digest_of(content, algorithm)
    for query in ("", f"?digest-algorithm={algorithm}"):
        answer = repo.finish(repo.begin(query), digest, content, Content_Type="application/octet-stream")
        assert (answer.status, answer.content) == (201, b"")
        assert answer.headers["Location"] == repo.at(f"blobs/{digest}")
        assert answer.headers["Docker-Content-Digest"] == digest
    check_blob(repo, content, digest)


@CONTENTS
@ALGORITHMS
def test_a_single_post_makes_a_blob(repo: Repository, content: bytes, algorithm: str) -> None:
    digest = digest_of(content, algorithm)
    answer = repo.client.post(repo.at(f"blobs/uploads/?digest={digest}"), body=content)
    assert (answer.status, answer.headers["Location"]) == (201, repo.at(f"blobs/{digest}"))
    assert answer.headers["Docker-Content-Digest"] == digest
    check_blob(repo, content, digest)


@CONTENTS
@ALGORITHMS
def test_one_streamed_patch_then_put_makes_a_blob(repo: Repository, content: bytes, algorithm: str) -> None:
    digest = digest_of(content, algorithm)
    location = repo.begin(f"?digest-algorithm={algorithm}")
    pieces = [content[place : place + 100_000] for place in range(0, len(content), 100_000)]
    answer = repo.client.request("PATCH", location, body=iter(pieces), headers={"Transfer-Encoding": "chunked"})
    assert (answer.status, answer.headers["Location"]) == (202, location)
    assert answer.headers["Range"] == f"0-{max(len(content) - 1, 0)}"
    assert repo.finish(location, digest).status == 201
    check_blob(repo, content, digest)


@ALGORITHMS
@pytest.mark.parametrize("announced", [True, False])
@pytest.mark.parametrize("last_in_put", [True, False])
def test_chunks_in_order_make_a_blob(repo: Repository, algorithm: str, *, announced: bool, last_in_put: bool) -> None:
    digest = digest_of(CONTENT, algorithm)
    location = repo.begin(f"?digest-algorithm={algorithm}" if announced else "")
    chunks = [(0, CONTENT[:100]), (100, CONTENT[100:101]), (101, CONTENT[101:])]
    last = chunks.pop() if last_in_put else None
    for first, chunk in chunks:
        end = first + len(chunk) - 1
        answer = repo.client.patch(location, body=chunk, headers={"Content-Range": f"{first}-{end}"})
        assert (answer.status, answer.headers["Range"]) == (202, f"0-{end}")
        location = answer.headers["Location"]
    if last is None:
        answer = repo.finish(location, digest)
    else:
        answer = repo.finish(location, digest, last[1], Content_Range=f"{last[0]}-{len(CONTENT) - 1}")
    assert answer.status == 201
    check_blob(repo, CONTENT, digest)


@pytest.mark.parametrize("content", [b"", b"{}"])
def test_the_smallest_blobs_pass_through_chunks_as_well(repo: Repository, content: bytes) -> None:
    location = repo.begin()
    for place in range(len(content)):
        answer = repo.client.patch(location, body=content[place : place + 1], headers={"Content-Range": f"{place}-{place}"})
        assert answer.status == 202
    assert repo.client.patch(location, body=b"").status == 202, "a PATCH of nothing changes nothing"
    assert repo.finish(location, digest_of(content)).status == 201
    check_blob(repo, content, digest_of(content))


@pytest.mark.parametrize("method", ["PATCH", "PUT"])
@pytest.mark.parametrize("first", [0, 9, 11, 500])
def test_a_chunk_out_of_order_is_refused_with_what_there_is_and_not_kept(repo: Repository, method: str, first: int) -> None:
    location = repo.begin()
    repo.client.patch(location, body=CONTENT[:10])
    headers = {"Content-Range": f"{first}-{first + 9}"}
    address = f"{location}?digest={digest_of(CONTENT)}" if method == "PUT" else location
    answer = repo.client.request(method, address, body=b"x" * 10, headers=headers)
    assert (answer.status, answer.error_code) == (416, "RANGE_INVALID")
    assert answer.headers["Range"] == "0-9"
    assert answer.headers["Location"] == location
    assert answer.headers["Docker-Upload-UUID"] == location.rpartition("/")[2]
    status = repo.client.get(answer.headers["Location"])
    assert (status.status, status.headers["Range"]) == (204, "0-9")
    assert repo.client.patch(location, body=CONTENT[10:], headers={"Content-Range": "10-299"}).status == 202
    assert repo.finish(location, digest_of(CONTENT)).status == 201


def test_the_first_chunk_of_a_new_upload_must_begin_at_0(repo: Repository) -> None:
    answer = repo.client.patch(repo.begin(), body=b"abc", headers={"Content-Range": "1-3"})
    assert (answer.status, answer.headers["Range"]) == (416, "0-0")


@pytest.mark.parametrize(
    ("content_range", "code"),
    [
        ("bytes 0-2/3", "BLOB_UPLOAD_INVALID"),
        ("2-0", "BLOB_UPLOAD_INVALID"),
        ("0-", "BLOB_UPLOAD_INVALID"),
        ("", "BLOB_UPLOAD_INVALID"),
        ("0-1", "SIZE_INVALID"),
        ("0-3", "SIZE_INVALID"),
    ],
)
def test_a_range_that_is_malformed_or_contradicts_the_length_changes_nothing(
    repo: Repository, content_range: str, code: str
) -> None:
    location = repo.begin()
    answer = repo.client.patch(location, body=b"abc", headers={"Content-Range": content_range})
    assert (answer.status, answer.error_code) == (400, code)
    assert repo.finish(location, digest_of(b"abc"), b"abc").status == 201


@pytest.mark.parametrize("sent", [b"ab", b"abcd"])
def test_a_chunk_without_a_length_must_have_the_bytes_of_its_range(repo: Repository, sent: bytes) -> None:
    location = repo.begin()
    headers = {"Content-Range": "0-2", "Transfer-Encoding": "chunked"}
    answer = repo.client.request("PATCH", location, body=iter([sent]), headers=headers)
    assert (answer.status, answer.error_code) == (400, "SIZE_INVALID")
    assert repo.client.get(location).headers["Range"] == "0-0"
    assert repo.finish(location, digest_of(b"abc"), b"abc").status == 201


@ALGORITHMS
def test_a_wrong_digest_is_refused_and_the_upload_discarded(repo: Repository, algorithm: str) -> None:
    wrong = digest_of(b"something else", algorithm)
    location = repo.begin()
    answer = repo.finish(location, wrong, CONTENT)
    assert (answer.status, answer.error_code) == (400, "DIGEST_INVALID")
    assert digest_of(CONTENT, algorithm) in answer.json["errors"][0]["message"]
    assert repo.client.get(location).status == 404
    assert not repo.has_blob(wrong)
    assert not repo.has_blob(digest_of(CONTENT, algorithm))
    posted = repo.client.post(repo.at(f"blobs/uploads/?digest={wrong}"), body=CONTENT)
    assert (posted.status, posted.error_code) == (400, "DIGEST_INVALID")


@pytest.mark.parametrize("query", ["", "?digest=", "?digest=sha256:bad", "?digest=md5:" + "0" * 32])
def test_without_a_digest_that_is_one_the_upload_is_kept(repo: Repository, query: str) -> None:
    location = repo.begin()
    assert repo.client.patch(location, body=CONTENT[:100]).status == 202
    answer = repo.client.put(f"{location}{query}", body=b"ignored")
    assert (answer.status, answer.error_code) == (400, "DIGEST_INVALID")
    assert repo.client.get(location).headers["Range"] == "0-99"
    assert repo.finish(location, digest_of(CONTENT), CONTENT[100:]).status == 201


@pytest.mark.parametrize("query", ["?digest=sha256:bad", "?digest-algorithm=md5", "?mount=nothing"])
def test_a_post_with_a_digest_or_algorithm_that_is_none_is_refused(repo: Repository, query: str) -> None:
    answer = repo.client.post(repo.at(f"blobs/uploads/{query}"))
    assert (answer.status, answer.error_code) == (400, "DIGEST_INVALID")


def test_a_put_that_is_sent_again_after_its_success_succeeds_again(repo: Repository) -> None:
    digest = digest_of(CONTENT)
    location = repo.begin()
    for _ in range(3):
        answer = repo.finish(location, digest, CONTENT)
        assert (answer.status, answer.headers["Location"]) == (201, repo.at(f"blobs/{digest}"))
    other = repo.finish(location, digest_of(b"other"), b"other")
    assert (other.status, other.error_code) == (404, "BLOB_UPLOAD_UNKNOWN")


def test_a_status_tells_what_is_kept(repo: Repository) -> None:
    location = repo.begin()
    received = 0
    for more in (0, 1, 1, 298):
        repo.client.patch(location, body=b"x" * more)
        received += more
        for method in ("GET", "HEAD"):
            answer = repo.client.request(method, location)
            assert (answer.status, answer.content) == (204, b"")
            assert answer.headers["Range"] == f"0-{max(received - 1, 0)}"
            assert answer.headers["Location"] == location
            assert answer.headers["Docker-Upload-UUID"] == location.rpartition("/")[2]


def test_a_cancelled_upload_is_gone(repo: Repository) -> None:
    location = repo.begin()
    repo.client.patch(location, body=CONTENT)
    answer = repo.client.delete(location)
    assert (answer.status, answer.content) == (204, b"")
    for method, address in (
        ("DELETE", location),
        ("GET", location),
        ("PATCH", location),
        ("PUT", f"{location}?digest={digest_of(CONTENT)}"),
    ):
        gone = repo.client.request(method, address, body=None if method in ("GET", "DELETE") else b"x")
        assert (gone.status, gone.error_code) == (404, "BLOB_UPLOAD_UNKNOWN")


@pytest.mark.parametrize("name", ["00000000-0000-4000-8000-000000000000", "x", "%00", "%ff", "a%2Fb", "..", "' OR 1=1", "é"])
def test_an_upload_that_never_was_is_unknown(repo: Repository, name: str) -> None:
    location = repo.at("blobs/uploads/" + name.replace(" ", "%20").replace("é", "%C3%A9"))
    for method in ("GET", "DELETE", "PATCH"):
        answer = repo.client.request(method, location)
        assert (answer.status, answer.error_code) == (404, "BLOB_UPLOAD_UNKNOWN")


def test_an_upload_belongs_to_its_repository(client: Client, repo: Repository, repository: str) -> None:
    other = Repository(client, f"{repository}-other")
    other.image("v1")
    location = repo.begin()
    elsewhere = location.replace(f"/{repository}/", f"/{repository}-other/")
    assert elsewhere != location
    for method, address in (
        ("GET", elsewhere),
        ("PATCH", elsewhere),
        ("PUT", f"{elsewhere}?digest={digest_of(CONTENT)}"),
        ("DELETE", elsewhere),
    ):
        answer = client.request(method, address, body=CONTENT if method in ("PATCH", "PUT") else None)
        assert (answer.status, answer.error_code) == (404, "BLOB_UPLOAD_UNKNOWN")
    assert repo.finish(location, digest_of(CONTENT), CONTENT).status == 201
    assert not other.has_blob(digest_of(CONTENT))


def test_an_upload_of_library_is_the_same_under_its_short_name(client: Client) -> None:
    short, full = Repository(client, "short"), Repository(client, "library/short")
    location = short.begin()
    assert location.startswith("/v2/short/blobs/uploads/")
    answer = full.finish(location.replace("/v2/short/", "/v2/library/short/"), digest_of(CONTENT), CONTENT)
    assert (answer.status, answer.headers["Location"]) == (201, full.at(f"blobs/{digest_of(CONTENT)}"))
    assert short.has_blob(digest_of(CONTENT))
