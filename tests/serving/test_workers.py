"""Several web processes of one machine: nothing sticks to one of them, and none knows less than another. SQLite as PostgreSQL."""

import asyncio
import http.client
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Final

import pytest

from conftest import new_database
from entrepot.base.settings import Settings
from support.commands import history
from support.instance import Instance
from support.modes import change
from support.parts import sql
from support.wire import Repository, digest_of
from support.workers import OfOne, one_for_each

WORKERS: Final = 3
MIB: Final = 1 << 20
_LIMIT_S: Final = 60.0


@pytest.fixture(scope="module")
def hub(profile: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    data = tmp_path_factory.mktemp("hub") / "data"
    with Instance(data, database=new_database(profile, request), workers=WORKERS) as instance:
        yield instance


@pytest.fixture
def each(hub: Instance) -> Iterator[list[OfOne]]:
    """A client of each web process."""
    clients = one_for_each(hub, WORKERS)
    yield clients
    for client in clients:
        client.close()


def test_an_upload_hops_between_them_at_each_request(each: list[OfOne], repository: str) -> None:
    content = random.Random(1).randbytes(900_000)
    repos = [Repository(client, repository) for client in each]
    location = repos[0].begin()
    for turn, first in enumerate(range(0, len(content), 100_000), 1):
        answer = each[turn % WORKERS].patch(location, body=content[first : first + 100_000])
        assert (answer.status, answer.headers["Range"]) == (202, f"0-{first + 99_999}")
        assert each[(turn + 1) % WORKERS].get(location).headers["Range"] == f"0-{first + 99_999}"
    assert repos[1].finish(location, digest_of(content)).status == 201
    for repo in repos:
        assert repo.client.get(repo.at(f"blobs/{digest_of(content)}")).content == content


def test_what_one_pushes_or_deletes_every_other_one_knows_at_once(each: list[OfOne], repository: str) -> None:
    """Each remembers what it answered last, and none may answer from that after a commit of another."""
    repos = [Repository(client, repository) for client in each]
    for turn in range(15):
        pushed = repos[turn % WORKERS].image("latest", seed=f"turn {turn}")
        for repo in repos:
            assert repo.client.get(repo.at("manifests/latest")).content == pushed
            assert repo.client.get(repo.at(f"blobs/{digest_of(f'layer turn {turn}'.encode())}")).status == 200
    assert repos[0].client.delete(repos[0].at("manifests/latest")).status == 202
    assert [repo.client.get(repo.at("manifests/latest")).status for repo in repos] == [404] * WORKERS


def test_pushes_of_one_tag_through_all_of_them_at_once_are_one_chain_of_moves(
    hub: Instance, each: list[OfOne], repository: str
) -> None:
    pushes = 10
    manifests = [Repository(each[0], repository).image(seed=f"{number}") for number in range(WORKERS * pushes)]

    def push(number: int) -> None:
        for manifest in manifests[number::WORKERS]:
            assert Repository(each[number], repository).put("moved", manifest).status == 201

    with ThreadPoolExecutor(WORKERS) as pool:
        list(pool.map(push, range(WORKERS)))
    moves = history(hub, repository, "moved")[::-1]
    assert [move["from_digest"] for move in moves] == [None, *(move["to_digest"] for move in moves[:-1])]
    assert sorted(move["to_digest"] for move in moves) == sorted(digest_of(manifest) for manifest in manifests)
    last = each[0].get(f"/v2/{repository}/manifests/moved")
    assert digest_of(last.content) == moves[-1]["to_digest"]


def test_an_upload_that_one_writes_to_is_refused_by_the_others(hub: Instance, each: list[OfOne], repository: str) -> None:
    location = Repository(each[0], repository).begin()
    go_on, came = threading.Event(), threading.Event()

    def slowly() -> Iterator[bytes]:
        yield bytes(2 * MIB)
        came.set()
        go_on.wait(_LIMIT_S)
        yield bytes(MIB)

    with ThreadPoolExecutor(1) as pool:
        holding = pool.submit(each[0].patch, location, body=slowly())
        assert came.wait(_LIMIT_S)
        _wait_until_held(hub)  # the first bytes may still be on their way
        refused = each[1].patch(location, body=b"mine")
        assert (refused.status, refused.error_code) == (409, "BLOB_UPLOAD_INVALID")
        go_on.set()
        assert holding.result(_LIMIT_S).status == 202
    assert Repository(each[2], repository).finish(location, digest_of(bytes(3 * MIB))).status == 201


def _wait_until_held(hub: Instance) -> None:
    settings, end = Settings(data=str(hub.data), database=hub.database), time.monotonic() + _LIMIT_S
    while asyncio.run(sql(settings, "SELECT count(*) FROM upload WHERE lease IS NOT NULL")) != [(1,)]:
        assert time.monotonic() < end
        time.sleep(0.02)


def test_what_one_was_writing_when_it_was_killed_is_continued_by_another(
    hub: Instance, each: list[OfOne], repository: str
) -> None:
    killed, other = each[0], each[1]
    location = Repository(killed, repository).begin()
    assert killed.patch(location, body=bytes(MIB)).status == 202
    came = threading.Event()

    def endless() -> Iterator[bytes]:
        yield bytes(2 * MIB)
        came.set()
        time.sleep(_LIMIT_S)
        yield b""

    pid = killed.pid
    threading.Thread(target=_broken_off, args=(lambda: killed.patch(location, body=endless()),), daemon=True).start()
    assert came.wait(_LIMIT_S)
    os.kill(pid, signal.SIGKILL)
    assert other.get(location).headers["Range"] == f"0-{MIB - 1}", "what was acknowledged, and no more"
    assert other.patch(location, body=b"and on").status == 202
    whole = bytes(MIB) + b"and on"
    assert Repository(other, repository).finish(location, digest_of(whole)).status == 201
    assert hub.client().get(f"/v2/{repository}/blobs/{digest_of(whole)}").content == whole
    for client in one_for_each(hub, WORKERS):  # it was replaced
        client.close()


def _broken_off(send: Callable[[], object]) -> None:
    with suppress(OSError, http.client.HTTPException):
        send()


def test_all_of_them_obey_the_mode_as_soon_as_it_was_changed(hub: Instance, each: list[OfOne], repository: str) -> None:
    repos = [Repository(client, repository) for client in each]
    pushed = repos[0].image("v1")
    settings = Settings(data=str(hub.data), database=hub.database)
    change(settings, read_only=True)
    try:
        assert [repo.put("v2", pushed).status for repo in repos] == [405] * WORKERS
        assert [repo.client.get(repo.at("manifests/v1")).status for repo in repos] == [200] * WORKERS
    finally:
        change(settings, read_only=False)
    assert [repo.put("v2", pushed).status for repo in repos] == [201] * WORKERS
