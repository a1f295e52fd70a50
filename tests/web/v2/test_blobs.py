"""Blobs: reading them whole and in parts, and deleting them."""

import socket
import time
from email import message_from_bytes, policy
from pathlib import Path
from typing import Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.counts import examples
from support.http import Answer
from support.instance import Instance
from support.processes import descendants
from support.wire import SAFE, Repository, digest_of, plain_headers

SMALL: Final = bytes(range(256)) * 4
# Larger than what is kept at hand, and than one step of reading.
LARGE: Final = b"".join(number.to_bytes(8, "big") for number in range(300_000))
ABANDONED_BYTES: Final = 64 << 20
CONTENTS: Final = pytest.mark.parametrize("content", [SMALL, LARGE, b"", b"{}"], ids=["small", "large", "none", "{}"])


def get(repo: Repository, content: bytes, **headers: str) -> Answer:
    """GET a blob; underscores in the names of headers are hyphens."""
    return repo.client.get(
        repo.at(f"blobs/{digest_of(content)}"), headers={name.replace("_", "-"): value for name, value in headers.items()}
    )


@CONTENTS
@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_a_blob_is_given_as_an_attachment_of_no_type_with_its_digest(repo: Repository, content: bytes, algorithm: str) -> None:
    digest = repo.blob(content, algorithm=algorithm)["digest"]
    answer = repo.client.get(repo.at(f"blobs/{digest}"))
    assert (answer.status, answer.content) == (200, content)
    about = {
        "content-type": "application/octet-stream",
        "content-length": str(len(content)),
        "content-disposition": "attachment",
        "cross-origin-resource-policy": "same-origin",
        "docker-content-digest": digest,
        "etag": f'"{digest}"',
        "accept-ranges": "bytes",
    }
    found = plain_headers(answer)
    found.pop("server", None)
    assert found == {**about, **SAFE}


@CONTENTS
def test_head_is_get_without_the_body(repo: Repository, content: bytes) -> None:
    path = repo.at(f"blobs/{repo.blob(content)['digest']}")
    for headers in ({}, {"If-None-Match": f'"{digest_of(content)}"'}, {"If-None-Match": '"other"'}, {"Accept": "text/html"}):
        whole, head = repo.client.get(path, headers=headers), repo.client.head(path, headers=headers)
        assert (head.status, head.content) == (whole.status, b"")
        assert plain_headers(head) == plain_headers(whole)


def test_head_of_what_is_not_there_is_get_without_the_body(repo: Repository) -> None:
    repo.image("v1")
    for path in (repo.at(f"blobs/{digest_of(b'absent')}"), "/v2/nobody/nothing/blobs/sha256:bad", repo.at("blobs/x")):
        whole, head = repo.client.get(path), repo.client.head(path)
        assert (head.status, head.content) == (whole.status, b"")
        assert plain_headers(head) == plain_headers(whole)


def test_a_colon_that_a_client_escaped_is_a_colon(repo: Repository) -> None:
    digest = repo.blob(SMALL)["digest"]
    for spelling in ("%3A", "%3a"):
        answer = repo.client.get(repo.at("blobs/" + digest.replace(":", spelling)))
        assert (answer.status, answer.headers["Docker-Content-Digest"]) == (200, digest)


@CONTENTS
@pytest.mark.parametrize("form", ['"{}"', 'W/"{}"', "{}", '"x", "{}"', "*"])
def test_a_client_that_has_the_blob_is_told_so(repo: Repository, content: bytes, form: str) -> None:
    digest = repo.blob(content)["digest"]
    answer = get(repo, content, If_None_Match=form.format(digest))
    assert (answer.status, answer.content) == (304, b"")
    assert answer.headers["ETag"] == f'"{digest}"'
    assert SAFE.items() <= plain_headers(answer).items()
    assert get(repo, content, If_None_Match='"sha256:other"').status == 200


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ("0-0", 0, 0),
        ("0-99", 0, 99),
        ("500-1022", 500, 1022),
        ("500-", 500, 1023),
        ("-1", 1023, 1023),
        ("-500", 524, 1023),
        ("-5000", 0, 1023),
        ("1000-999999", 1000, 1023),
        ("0-", 0, 1023),
    ],
)
def test_one_range_is_given_with_its_place(repo: Repository, asked: str, first: int, last: int) -> None:
    digest = repo.blob(SMALL)["digest"]
    answer = get(repo, SMALL, Range=f"bytes={asked}")
    assert (answer.status, answer.content) == (206, SMALL[first : last + 1])
    assert answer.headers["Content-Range"] == f"bytes {first}-{last}/1024"
    assert answer.headers["Content-Length"] == str(last - first + 1)
    assert answer.headers["Docker-Content-Digest"] == digest
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert SAFE.items() <= plain_headers(answer).items()


@pytest.mark.parametrize("asked", ["1024-", "1024-1030", "500-0", "-0", "5000-,-0"])
def test_a_range_outside_is_refused_with_the_size(repo: Repository, asked: str) -> None:
    repo.blob(SMALL)
    answer = get(repo, SMALL, Range=f"bytes={asked}")
    assert (answer.status, answer.error_code) == (416, "RANGE_INVALID")
    assert answer.headers["Content-Range"] == "bytes */1024"
    repo.blob(b"")
    assert get(repo, b"", Range="bytes=0-").headers["Content-Range"] == "bytes */0"


@pytest.mark.parametrize(
    "asked", ["items=0-1", "bytes=a-b", "bytes=", "bytes=0-5,3-9", "bytes=" + ",".join(f"{2 * n}-{2 * n}" for n in range(1025))]
)
def test_a_range_that_is_not_understood_or_overlaps_gives_the_whole(repo: Repository, asked: str) -> None:
    repo.blob(SMALL)
    answer = get(repo, SMALL, Range=asked)
    assert (answer.status, answer.content) == (200, SMALL)


def parts_of(answer: Answer) -> list[tuple[str, bytes]]:
    """Read a multipart/byteranges answer with the standard library's parser: places and bytes."""
    head = f"Content-Type: {answer.headers['Content-Type']}\r\n\r\n".encode()
    message = message_from_bytes(head + answer.content, policy=policy.HTTP)
    assert message.get_content_type() == "multipart/byteranges"
    assert not message.defects
    found = []
    for part in message.iter_parts():
        assert part.get_content_type() == "application/octet-stream"
        content = part.get_payload(decode=True)
        assert isinstance(content, bytes)
        found.append((str(part["Content-Range"]), content))
    return found


def test_several_ranges_are_given_as_parts_in_the_order_asked_for(repo: Repository) -> None:
    # The parser reads lines of text, so the bytes have neither.
    content = b"0123456789abcdef" * 20_000
    digest = repo.blob(content)["digest"]
    answer = get(repo, content, Range="bytes=100000-299999, 0-0 ,-3,500000-")
    assert answer.status == 206
    assert answer.headers["Content-Length"] == str(len(answer.content))
    assert "Content-Range" not in answer.headers
    assert answer.headers["Docker-Content-Digest"] == digest
    size = len(content)
    assert parts_of(answer) == [
        (f"bytes 100000-299999/{size}", content[100_000:300_000]),
        (f"bytes 0-0/{size}", content[:1]),
        (f"bytes {size - 3}-{size - 1}/{size}", content[-3:]),
    ]


def test_as_many_parts_as_podman_asks_for_are_given_though_they_lie_far_apart(repo: Repository) -> None:
    content = b"0123456789abcdef" * 250_000
    repo.blob(content)
    places = [(3_900 * number, 3_900 * number + 1_000 + number) for number in range(1_024)]
    answer = get(repo, content, Range="bytes=" + ",".join(f"{first}-{last}" for first, last in places))
    assert answer.status == 206
    assert answer.headers["Content-Length"] == str(len(answer.content))
    wanted = [(f"bytes {first}-{last}/{len(content)}", content[first : last + 1]) for first, last in places]
    assert parts_of(answer) == wanted


@settings(max_examples=examples(40, 2_000), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_ranges_put_together_are_bytes_of_the_blob(repo: Repository, data: st.DataObject) -> None:
    content = b"ranges" * 15_000
    if not repo.has_blob(digest_of(content)):
        repo.blob(content)
    ends = sorted(data.draw(st.sets(st.integers(0, len(content) - 1), min_size=4, max_size=12)))
    places = list(zip(ends[::2], ends[1::2], strict=False))
    answer = get(repo, content, Range="bytes=" + ",".join(f"{first}-{last}" for first, last in places))
    assert answer.status == 206
    assert [part for _, part in parts_of(answer)] == [content[first : last + 1] for first, last in places]


@pytest.mark.parametrize(
    ("condition", "status"),
    [
        ('"{}"', 206),
        ("{}", 206),
        ('"sha256:other"', 200),
        ('W/"{}"', 200),
        ("*", 200),
        ("Tue, 24 Nov 2026 00:00:00 GMT", 200),
    ],
)
def test_a_part_is_given_only_of_the_bytes_that_the_client_means(repo: Repository, condition: str, status: int) -> None:
    digest = repo.blob(SMALL)["digest"]
    answer = get(repo, SMALL, Range="bytes=1-2", If_Range=condition.format(digest))
    assert (answer.status, answer.content) == (status, SMALL[1:3] if status == 206 else SMALL)


def test_a_large_blob_is_given_in_parts_across_reading_steps(repo: Repository) -> None:
    repo.blob(LARGE)
    for first, last in ((1_048_575, 1_048_576), (0, 2_399_999), (1_000_000, 2_200_000)):
        assert get(repo, LARGE, Range=f"bytes={first}-{last}").content == LARGE[first : last + 1]


def test_a_blob_is_only_where_it_was_pushed(repo: Repository) -> None:
    digest = repo.blob(repo.name.encode())["digest"]
    other = Repository(repo.client, f"{repo.name}/other")
    other.image("v1")
    answer = other.client.get(other.at(f"blobs/{digest}"))
    assert (answer.status, answer.error_code) == (404, "BLOB_UNKNOWN")
    assert digest in answer.json["errors"][0]["message"]


def test_a_blob_of_a_repository_that_never_was_is_a_name_unknown(repo: Repository) -> None:
    for method in ("GET", "DELETE"):
        answer = repo.client.request(method, repo.at(f"blobs/{digest_of(b'x')}"))
        assert (answer.status, answer.error_code) == (404, "NAME_UNKNOWN")


def test_a_deleted_blob_is_gone_at_once_and_can_be_pushed_again(repo: Repository) -> None:
    content = repo.name.encode()
    digest = repo.blob(content)["digest"]
    answer = repo.client.delete(repo.at(f"blobs/{digest}"))
    assert (answer.status, answer.content) == (202, b"")
    assert not repo.has_blob(digest)
    again = repo.client.delete(repo.at(f"blobs/{digest}"))
    assert (again.status, again.error_code) == (404, "BLOB_UNKNOWN")
    repo.blob(content)
    assert repo.client.get(repo.at(f"blobs/{digest}")).content == content


def test_a_blob_that_a_manifest_names_cannot_be_deleted_until_the_manifest_is(repo: Repository) -> None:
    manifest = repo.image("v1", seed=repo.name)
    layer = digest_of(f"layer {repo.name}".encode())
    answer = repo.client.delete(repo.at(f"blobs/{layer}"))
    assert (answer.status, answer.error_code) == (405, "UNSUPPORTED")
    assert "delete that manifest first" in answer.json["errors"][0]["message"]
    assert repo.has_blob(layer)
    assert repo.client.delete(repo.at(f"manifests/{digest_of(manifest)}")).status == 202
    assert repo.client.delete(repo.at(f"blobs/{layer}")).status == 202
    assert not repo.has_blob(layer)


@pytest.mark.single
def test_a_blob_whose_bytes_were_lost_is_not_there_for_a_push_which_then_heals_it_everywhere(
    hub: Instance, repo: Repository
) -> None:
    content = f"lost and found {repo.name}".encode()
    digest, other = repo.blob(content)["digest"], Repository(repo.client, f"{repo.name}/other")
    other.blob(content)
    (file,) = (hub.data / "blobs").rglob(f"{digest.removeprefix('sha256:')}.*")
    file.unlink()
    head = repo.client.head(repo.at(f"blobs/{digest}"))
    assert head.status == 404
    elsewhere = Repository(repo.client, f"{repo.name}/elsewhere")
    assert elsewhere.finish(elsewhere.begin(f"?mount={digest}&from={repo.name}"), digest, content).status == 201
    for each in (repo, other, elsewhere):
        assert each.has_blob(digest)
        assert repo.client.get(each.at(f"blobs/{digest}")).content == content


@pytest.mark.single
def test_nothing_more_is_read_for_a_client_that_has_gone_away(hub: Instance, repo: Repository) -> None:
    content = bytes(ABANDONED_BYTES)
    digest = repo.blob(content)["digest"]
    before = read_so_far(hub)
    for _ in range(3):
        with socket.create_connection(("127.0.0.1", hub.port), 10) as connection:
            asked = f"GET {repo.at(f'blobs/{digest}')} HTTP/1.1\r\nHost: localhost\r\nRange: bytes=1-\r\n\r\n"
            connection.sendall(asked.encode())
            assert connection.recv(1000).startswith(b"HTTP/1.1 206 ")
    time.sleep(2)
    assert read_so_far(hub) - before < ABANDONED_BYTES


def read_so_far(hub: Instance) -> int:
    """Return how many bytes the processes of an instance have read."""
    accounts = [Path(f"/proc/{pid}/io").read_text("ascii") for pid in (hub.pid, *descendants(hub.pid))]
    return sum(int(account.split()[1]) for account in accounts)
