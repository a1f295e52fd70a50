"""Uploads that several requests touch at once, or that a client breaks off."""

import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from support.http import Answer
from support.wire import Repository, digest_of


def together(count: int, request: Callable[[int], Answer]) -> list[Answer]:
    """Do requests at the same time; each is given its number."""
    with ThreadPoolExecutor(count) as threads:
        return list(threads.map(request, range(count)))


def test_uploads_of_the_same_blob_at_once_all_succeed(repo: Repository) -> None:
    content = bytes(300_000)
    locations = [repo.begin() for _ in range(8)]
    answers = together(8, lambda number: repo.finish(locations[number], digest_of(content), content))
    assert [answer.status for answer in answers] == [201] * 8
    assert repo.client.get(repo.at(f"blobs/{digest_of(content)}")).content == content


def test_two_puts_of_one_upload_at_once_both_succeed(repo: Repository) -> None:
    content = b"put twice"
    location = repo.begin()
    answers = together(2, lambda _: repo.finish(location, digest_of(content), content))
    assert [answer.status for answer in answers] == [201, 201]


def test_of_two_chunks_for_one_place_one_is_kept_and_the_other_refused(repo: Repository) -> None:
    location = repo.begin()
    chunks = [b"a" * 50, b"b" * 50]
    answers = together(2, lambda number: repo.client.patch(location, body=chunks[number], headers={"Content-Range": "0-49"}))
    assert sorted(answer.status for answer in answers) == [202, 416]
    kept = chunks[[answer.status for answer in answers].index(202)]
    assert repo.client.get(location).headers["Range"] == "0-49"
    assert repo.finish(location, digest_of(kept)).status == 201


def test_two_streams_into_one_upload_follow_one_another_whole(repo: Repository) -> None:
    location = repo.begin()
    streams = [b"a" * 200_000, b"b" * 200_000]
    answers = together(2, lambda number: repo.client.patch(location, body=streams[number]))
    assert [answer.status for answer in answers] == [202, 202]
    first = max(range(2), key=lambda number: "-199999" in answers[number].headers["Range"])
    assert repo.finish(location, digest_of(streams[first] + streams[1 - first])).status == 201


def test_what_came_before_a_client_broke_off_is_kept_and_can_be_continued(repo: Repository) -> None:
    content = bytes(range(256)) * 8_000
    location = repo.begin()
    head = f"PATCH {location} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(content)}\r\n\r\n"
    with socket.create_connection(repo.client.address, 10) as connection:
        connection.sendall(head.encode() + content[:1_000_000])
    received = _received_when_quiet(repo, location)
    assert 0 <= received <= 1_000_000
    answer = repo.client.patch(location, body=content[received:], headers={"Content-Range": f"{received}-{len(content) - 1}"})
    assert (answer.status, answer.headers["Range"]) == (202, f"0-{len(content) - 1}")
    assert repo.finish(location, digest_of(content)).status == 201


def test_a_put_that_is_broken_off_can_be_sent_again(repo: Repository) -> None:
    content = bytes(range(256)) * 1_000
    digest = digest_of(content)
    location = repo.begin()
    head = f"PUT {location}?digest={digest} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(content)}\r\n\r\n"
    with socket.create_connection(repo.client.address, 10) as connection:
        connection.sendall(head.encode() + content[:1000])
    assert repo.finish(location, digest, content).status == 201
    assert repo.client.get(repo.at(f"blobs/{digest}")).content == content


def _received_when_quiet(repo: Repository, location: str) -> int:
    """Ask for the offset until it is the one that two askings agree on, and something has come."""
    before = -1
    for _ in range(100):
        last = int(repo.client.get(location).headers["Range"].partition("-")[2])
        if last == before and last:
            break
        before = last
        time.sleep(0.1)
    return before + 1 if before > 0 else 0


@pytest.mark.long
def test_an_upload_that_another_request_holds_for_long_is_busy_and_free_again_when_that_one_ends(repo: Repository) -> None:
    location = repo.begin()
    head = f"PATCH {location} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 6\r\n\r\n"
    with socket.create_connection(repo.client.address, 10) as connection:
        connection.sendall(head.encode() + b"abc")
        time.sleep(0.5)
        answer = repo.client.patch(location, body=b"xyz")
        assert (answer.status, answer.error_code) == (409, "BLOB_UPLOAD_INVALID")
        assert answer.headers["Retry-After"] == "1"
        connection.sendall(b"def")
        assert connection.recv(100).startswith(b"HTTP/1.1 202 ")
    assert repo.finish(location, digest_of(b"abcdef")).status == 201
