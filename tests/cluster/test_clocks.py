"""Two nodes whose clocks are two minutes apart, a minute on either side of the database's and the bucket's: nothing differs.

The pushes, hops and leases here are those of other tests; what is looked at is what a clock could decide.
"""

import random
import threading
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlsplit

import pytest

from entrepot.base.settings import Settings
from support.faketime import apart
from support.history import rows
from support.http import Answer, Client
from support.instance import Instance
from support.nodes import Nodes
from support.postgres import Cluster
from support.pushers import Ledger, Pusher
from support.s3 import S3Server
from support.wire import Repository, digest_of

APART_S: Final = 60
GRACE_S: Final = 60  # the shortest that can be set: a clock that is ahead by it would take everything at once
MIB: Final = 1 << 20
PUSHING_S: Final = 2.0
_LIMIT_S: Final = 60.0
_SECOND_US: Final = 1_000_000


@pytest.fixture(scope="module")
def nodes(postgres: Cluster, s3: S3Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    """A node that is ahead and one that is behind; the bucket gives big blobs itself."""
    bucket = s3.new_bucket()
    storage = bucket.url(public_endpoint=s3.address)
    folder, database = tmp_path_factory.mktemp("nodes"), postgres.new_database()
    with Nodes(
        folder,
        database,
        count=0,
        storage=storage,
        gc_grace=GRACE_S,
        environment=bucket.environment,
    ) as both:
        for by_s in (APART_S, -APART_S):
            both.add(apart(by_s, folder))
        yield both


@pytest.fixture
def settings(nodes: Nodes) -> Settings:
    return Settings(data="", database=nodes.database)


def now_us(settings: Settings) -> int:
    return int(str(rows(settings, "SELECT (EXTRACT(EPOCH FROM clock_timestamp()) * 1000000)::bigint")[0][0]))


def log_clock(node: Instance) -> float:
    """Return by how much the clock of a node's log is ahead of its file's, in seconds."""
    node.client().get(f"/v2/nothing/{random.random()}")
    time.sleep(0.5)
    told = datetime.fromisoformat(node.log_end(1).split()[0])
    return (told - datetime.fromtimestamp(node.log.stat().st_mtime, UTC)).total_seconds()


def test_the_clocks_are_apart(nodes: Nodes) -> None:
    ahead, behind = (log_clock(node) for node in nodes.nodes)
    assert ahead == pytest.approx(APART_S, abs=5)
    assert behind == pytest.approx(-APART_S, abs=5)


def test_clients_push_and_pull_through_both(nodes: Nodes) -> None:
    ledger = Ledger()
    pushers = [Pusher(node.url, ledger, number, seed=number) for number, node in enumerate(nodes.nodes)]
    for pusher in pushers:
        pusher.start()
    time.sleep(PUSHING_S)
    for pusher in pushers:
        pusher.stop.set()
    for pusher in pushers:
        pusher.join(_LIMIT_S)
        assert pusher.error is None, pusher.error
    for node in nodes.nodes:
        ledger.check(Following(node.url), ledger.blobs, ledger.manifests)
    assert len(ledger.manifests) > 2


class Following(Client):
    """Goes where a redirect points, as pulling clients do."""

    def get(self, path: str, *, headers: Mapping[str, str] | None = None) -> Answer:
        found = super().get(path, headers=headers)
        if found.status != 307:
            return found
        where = urlsplit(found.headers["location"])
        return Client(f"http://{where.netloc}").get(f"{where.path}?{where.query}")


def test_the_bucket_takes_the_addresses_that_either_of_them_signs(nodes: Nodes) -> None:
    content = random.Random(1).randbytes(MIB)
    digest = Repository(nodes.nodes[0].client(), "demo/signed").blob(content)["digest"]
    for node in nodes.nodes:
        answer = node.client().get(f"/v2/demo/signed/blobs/{digest}")
        assert answer.status == 307
        assert Following(node.url).get(f"/v2/demo/signed/blobs/{digest}").content == content


@pytest.mark.parametrize("holder", [pytest.param(0, id="ahead", marks=pytest.mark.long), pytest.param(1, id="behind")])
def test_a_lease_holds_as_long_as_it_does_whoever_asks(nodes: Nodes, settings: Settings, holder: int) -> None:
    one, other = nodes.nodes[holder], nodes.nodes[1 - holder]
    repo = Repository(one.client(), f"demo/held-{holder}")
    location = repo.begin()
    go_on = threading.Event()

    def slowly() -> Iterator[bytes]:
        yield bytes(MIB)
        go_on.wait(_LIMIT_S)
        yield bytes(MIB)

    def hold() -> None:
        answers.append(repo.client.patch(location, body=slowly(), headers={"Transfer-Encoding": "chunked"}).status)

    answers: list[int] = []
    holding = threading.Thread(target=hold)
    holding.start()
    until_leased(settings, location)
    # It would be taken over at once by a node to whose clock the lease had run out; it is renewed while this one waits.
    assert other.client().patch(location, body=b"mine").status == 409
    go_on.set()
    holding.join(_LIMIT_S)
    assert answers == [202]
    whole = bytes(2 * MIB)
    assert Repository(other.client(), repo.name).finish(location, digest_of(whole)).status == 201


def until_leased(settings: Settings, location: str) -> None:
    id_, end = location.rpartition("/")[2], time.monotonic() + _LIMIT_S
    while not rows(settings, "SELECT 1 FROM upload WHERE id = $1 AND lease IS NOT NULL", id_):
        assert time.monotonic() < end
        time.sleep(0.05)


def test_what_was_pushed_last_is_last_in_the_record_of_a_tag(nodes: Nodes, settings: Settings) -> None:
    before = now_us(settings)
    repos = [Repository(node.client(), "demo/moves") for node in nodes.nodes]
    pushed = [digest_of(repos[turn % 2].image("latest", seed=f"turn {turn}")) for turn in range(6)]
    moves = rows(settings, "SELECT to_digest, moved_at FROM tag_move ORDER BY moved_at, id")
    ours = [(digest, at) for digest, at in moves if digest in pushed]
    assert [digest for digest, _ in ours] == pushed
    assert all(before <= int(str(at)) <= now_us(settings) for _, at in ours)


def test_nothing_is_taken_before_its_grace_time(nodes: Nodes, settings: Settings) -> None:
    repos = [Repository(node.client(), "demo/unnamed") for node in nodes.nodes]
    digests = [repo.blob(f"of {number}".encode())["digest"] for number, repo in enumerate(repos)]
    locations = [repo.begin() for repo in repos]
    for _ in range(2):  # whichever of the nodes does them
        rows(settings, "UPDATE job_schedule SET slot = 0 WHERE name IN ('collect', 'expire-uploads', 'delete-orphans')")
        until_done(settings)
    for repo in repos:
        assert all(repo.has_blob(digest) for digest in digests)
        assert [repo.client.get(location).status for location in locations] == [204, 204]


def test_each_slot_of_a_schedule_is_of_the_databases_time(nodes: Nodes, settings: Settings) -> None:
    assert len(nodes.nodes) == 2
    until_done(settings)
    for name, slot in rows(settings, "SELECT name, slot FROM job_schedule"):
        if name == "delete-condemned":
            assert 0 <= now_us(settings) - int(str(slot)) < (20 + 10) * _SECOND_US  # a third of the grace time, and some delay
    # Another test asks for some of the others anew.
    alike = "SELECT key FROM job WHERE key LIKE 'sched-delete-condemned-%' GROUP BY key HAVING count(*) > 1"
    assert rows(settings, alike) == []
    assert rows(settings, "SELECT id FROM job WHERE attempt > 1 OR state = 'failed'") == []


def until_done(settings: Settings) -> None:
    """Wait until a look of the job processes has found nothing to do."""
    end = time.monotonic() + _LIMIT_S
    time.sleep(2.2)
    while rows(settings, "SELECT id FROM job WHERE state = 'running' OR (state = 'ready' AND attempt = 0)"):
        assert time.monotonic() < end
        time.sleep(0.2)
