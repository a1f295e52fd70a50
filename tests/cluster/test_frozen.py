"""A node that is frozen for a while and then goes on as if nothing had happened: what it held is another's by then."""

import http.client
import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from entrepot.base.settings import Settings
from support.counts import examples
from support.freezing import frozen
from support.history import rows
from support.instance import Instance
from support.modes import change
from support.nodes import Nodes
from support.postgres import Cluster
from support.pushers import Ledger, Pusher, pull_every_tag
from support.s3 import S3Server
from support.wire import Repository, digest_of

FROZEN_S: Final = examples(13, 60)  # longer than a lease (10 s), and than an open transaction may be left alone
PUSHING_S: Final = 1.0
RUNNING: Final = "SELECT id FROM job WHERE kind LIKE '%scrub%' AND state = 'running'"
_LIMIT_S: Final = 60.0
MIB: Final = 1 << 20


def pushing(node: Instance, ledger: Ledger, numbers: range) -> list[Pusher]:
    """Let clients push to a node that try again when an answer does not come in time."""
    pushers = [Pusher(node.url, ledger, number, seed=random.randrange(1 << 30), patient=True) for number in numbers]
    for pusher in pushers:
        pusher.start()
    return pushers


def end(pushers: list[Pusher]) -> None:
    for pusher in pushers:
        pusher.stop.set()
    for pusher in pushers:
        pusher.join(_LIMIT_S)
        assert not pusher.is_alive(), "a client waits for ever"
        if pusher.error is not None:
            raise pusher.error


def test_the_others_go_on_and_nothing_acknowledged_is_lost(nodes: Nodes) -> None:
    one, two = nodes.nodes
    ledger = Ledger()
    pushers = pushing(one, ledger, range(1)) + pushing(two, ledger, range(1, 3))
    time.sleep(PUSHING_S)
    with frozen(one):
        time.sleep(FROZEN_S)
        # Whatever row the frozen one had locked is let go by the database, which ends its transaction.
        before = len(ledger.manifests)
        time.sleep(PUSHING_S * 2)
        assert len(ledger.manifests) > before, "the other node does not go on"
        ledger.check(two.client(), set(ledger.blobs), set(ledger.manifests))
    time.sleep(PUSHING_S)
    end(pushers)
    for node in nodes.nodes:
        ledger.check(node.client(), ledger.blobs, ledger.manifests)
        assert pull_every_tag(node.client()) >= len(pushers)


class Half:
    """A PATCH of which the server has the first half, and the client has the rest."""

    def __init__(self, node: Instance, location: str, content: bytes) -> None:
        self._rest = content[len(content) // 2 :]
        self._connection = http.client.HTTPConnection("127.0.0.1", node.port, timeout=_LIMIT_S)
        self._connection.putrequest("PATCH", location)
        self._connection.putheader("Content-Length", str(len(content)))
        self._connection.endheaders()
        self._connection.send(content[: len(content) // 2])

    def finish(self) -> tuple[int, bytes]:
        """Send the rest and return the answer's status and body."""
        self._connection.send(self._rest)
        answer = self._connection.getresponse()
        found = answer.status, answer.read()
        self._connection.close()
        return found


def test_what_it_was_writing_when_another_one_took_over_is_refused_and_changes_nothing(nodes: Nodes) -> None:
    one, two = nodes.nodes
    first, late, taken = (random.Random(seed).randbytes(2 * MIB) for seed in range(3))
    locations = [Repository(one.client(), "demo/frozen").begin() for _ in range(2)]
    ended, continued = locations
    halves = []
    for location in locations:
        assert one.client().patch(location, body=first).status == 202
        halves.append(Half(one, location, late))
    time.sleep(0.5)  # until it has taken the leases
    with frozen(one):
        time.sleep(FROZEN_S)
        for location in locations:
            assert two.client().patch(location, body=taken).status == 202
        repo = Repository(two.client(), "demo/frozen")
        whole = digest_of(first + taken)
        assert repo.finish(ended, whole).status == 201
    refused = [half.finish() for half in halves]
    assert [status for status, _ in refused] == [409, 409], refused
    assert repo.finish(continued, whole).status == 201
    for node in nodes.nodes:
        assert node.client().get(repo.at(f"blobs/{whole}")).content == first + taken


def test_a_job_that_it_had_is_done_by_another_and_its_late_writes_are_refused(
    postgres: Cluster, s3: S3Server, tmp_path: Path
) -> None:
    bucket, settings = s3.new_bucket(), Settings(data="", database=postgres.new_database())
    own = {"storage": bucket.url(), "environment": bucket.environment, "count": 1, "scrub_rate": MIB}
    with Nodes(tmp_path, settings.database, **own) as nodes:  # type: ignore[arg-type]  # settings by name, as everywhere
        one = nodes.nodes[0]
        repo = Repository(one.client(), "demo/scrubbed")
        for number in range(12):
            repo.blob(random.Random(number).randbytes(MIB))
        rows(settings, "UPDATE job_schedule SET slot = 0 WHERE name = 'scrub'")
        until(lambda: bool(rows(settings, RUNNING)))
        job = rows(settings, RUNNING)[0][0]
        nodes.add()
        with frozen(one):
            until(lambda: attempts(settings, job) == ("running", 2))
        until(lambda: "job_ended" in one.log_end() or "job_lease_lost" in one.log_end())
        until(lambda: attempts(settings, job) == ("done", 2))
        assert rows(settings, "SELECT kind FROM job WHERE state = 'failed'") == []


def attempts(settings: Settings, job: object) -> tuple[object, ...]:
    return rows(settings, "SELECT state, attempt FROM job WHERE id = $1", job)[0]


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + _LIMIT_S
    while not holds():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.1)


def test_the_mode_can_be_changed_while_a_node_is_frozen_in_the_middle_of_pushes(nodes: Nodes) -> None:
    one = nodes.nodes[0]
    settings, stop = Settings(data="", database=nodes.database), threading.Event()

    def push() -> int:
        repo, count = Repository(one.client(), "demo/pushed"), 0
        while not stop.is_set() and repo.client.post(repo.at("blobs/uploads/")).status == 202:
            count += 1
        return count

    with ThreadPoolExecutor(4) as pool:
        pushed = [pool.submit(push) for _ in range(4)]
        time.sleep(PUSHING_S)
        with frozen(one):
            began = time.monotonic()
            change(settings, read_only=True)
            took_s = time.monotonic() - began
            uploads = rows(settings, "SELECT count(*) FROM upload")
        try:
            # Each of them ends with a refusal: what was in its middle when it was frozen too.
            assert min(each.result(_LIMIT_S) for each in pushed) > 0
        finally:
            stop.set()
        assert took_s < FROZEN_S
        assert rows(settings, "SELECT count(*) FROM upload") == uploads, "it wrote when it came back"
    change(settings, read_only=False)
