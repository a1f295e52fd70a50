"""What further nodes cost: pulls on one, two and four, pulls while another one is pushed to, redirects, unfinished uploads."""

import random
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from bench import buckets, wrk
from bench.bars import BESIDE_NODES, NODES, REDIRECT, UNFINISHED
from bench.book import CPU, FILES, MEGABYTES, OBJECTS, RATE, Book, Key
from bench.client import connected
from bench.fleet import Fleet
from bench.images import digest_of
from bench.measures.pulls import manifest_paths
from bench.measures.pusher import Pushers
from bench.processes import cpu_s, pss_bytes
from bench.progress import say
from bench.scale import PUSHING_CLIENTS
from bench.servers import NODE_NAMES, REDIRECTING, Server

_COUNTS: Final = (1, 2, 4)
# To each node: a process that is asked over fewer connections answers fewer requests each time it wakes, and so costs more.
_CONNECTIONS: Final = 16
_DATABASE: Final = "PostgreSQL itself, {} (not in the row above)"
_WARM_UP_S: Final = 1
_REDIRECTED: Final = 200
_REDIRECTED_BYTES: Final = 100_000


def several(fleet: Fleet, book: Book) -> None:
    """Pull all tags at random from one node, from two and from four, over as many connections to each."""
    paths = manifest_paths(fleet)
    nodes = _nodes(fleet, max(_COUNTS))
    for node in nodes:
        # They share one machine's processors here: with a worker for each processor in each node these would crowd one another.
        node.restart_with(workers=1)
        wrk.run(node.port, paths, _WARM_UP_S)
    for count in fleet.rounds(_COUNTS):
        subject = "1 node" if count == 1 else f"{count} nodes"
        own, database = _cpu_s(nodes[:count]), cpu_s(fleet.postgres_pid)
        with ThreadPoolExecutor(count) as pool:
            runs = [
                pool.submit(wrk.run, node.port, paths, fleet.scale.load_s, connections=_CONNECTIONS) for node in nodes[:count]
            ]
        loads = [run.result() for run in runs]
        requests = sum(load.requests for load in loads)
        book.add(Key(NODES, subject, CPU), (_cpu_s(nodes[:count]) - own) / requests * 1e6)
        book.add(Key(NODES, _DATABASE.format(subject), CPU), (cpu_s(fleet.postgres_pid) - database) / requests * 1e6)
        book.add(Key(NODES, subject, RATE), sum(load.per_s for load in loads))
        say(f"{NODES}: {subject}: {sum(load.per_s for load in loads):,.0f}/s")


def beside_pushes(fleet: Fleet, book: Book) -> None:
    """Pull from one node while tags are moved through another one, and while nobody does."""
    paths = manifest_paths(fleet)
    pulled, pushed = _nodes(fleet, 2)
    wrk.run(pulled.port, paths, _WARM_UP_S)
    for is_pushed in fleet.rounds((False, True)):
        if is_pushed:
            with Pushers(pushed.port, fleet.repositories):
                _load(fleet, book, Key(BESIDE_NODES, "another node pushes", CPU), pulled)
        else:
            _load(fleet, book, Key(BESIDE_NODES, "nobody pushes", CPU), pulled)


def redirects(fleet: Fleet, book: Book) -> None:
    """Ask for blobs that the bucket itself is to give."""
    (node,) = fleet.running(REDIRECTING)
    chance = random.Random(_REDIRECTED)
    blobs = [chance.randbytes(_REDIRECTED_BYTES) for _ in range(_REDIRECTED)]
    with connected(node.port) as client:
        for blob in blobs:
            client.push_blob("bench/redirected", blob)
        client.ask("GET", f"/v2/bench/redirected/blobs/{digest_of(blobs[0])}").expect(307)
    addresses = [f"/v2/bench/redirected/blobs/{digest_of(blob)}" for blob in blobs]
    paths = wrk.write_paths(fleet.folder / "redirected", addresses)
    wrk.run(node.port, paths, _WARM_UP_S)
    for _ in fleet.rounds((node,)):
        own = cpu_s(node.pid)
        load = wrk.run(node.port, paths, fleet.scale.load_s)
        book.add(Key(REDIRECT, "1 node", CPU), (cpu_s(node.pid) - own) / load.requests * 1e6)
        book.add(Key(REDIRECT, "1 node", RATE), load.per_s)
        say(f"{REDIRECT}: {load.per_s:,.0f}/s")


def unfinished_uploads(fleet: Fleet, book: Book) -> None:
    """Begin very many uploads, look what they took, and pull with them and without them in turn."""
    (node,) = _nodes(fleet, 1)
    node.restart_with(uploads_per_address=0)
    paths = manifest_paths(fleet)
    wrk.run(node.port, paths, _WARM_UP_S)
    objects, files, memory = buckets.count(fleet.shared_bucket), _files(node), pss_bytes(node.pid)
    say(f"beginning {fleet.scale.uploads:,} uploads")
    with ThreadPoolExecutor(PUSHING_CLIENTS) as pool:
        begun = [pool.submit(_begin, node.port, fleet.scale.uploads // PUSHING_CLIENTS) for _ in range(PUSHING_CLIENTS)]
    for each in begun:
        each.result()
    book.add(Key(UNFINISHED, "the bucket", OBJECTS), buckets.count(fleet.shared_bucket) - objects)
    book.add(Key(UNFINISHED, "the data folder", FILES), _files(node) - files)
    book.add(Key(UNFINISHED, "the node, more than before", MEGABYTES), max(0, pss_bytes(node.pid) - memory) / 1e6)
    database = fleet.shared_database.rpartition("/")[2]
    fleet.cluster.query("CREATE TABLE unfinished AS SELECT * FROM upload", database)
    for are_there in fleet.rounds((False, True)):
        fleet.cluster.query("DELETE FROM upload", database)
        if are_there:
            fleet.cluster.query("INSERT INTO upload SELECT * FROM unfinished", database)
        _load(fleet, book, Key(UNFINISHED, "beside them" if are_there else "without them", CPU), node)
    fleet.cluster.query("DELETE FROM upload; DROP TABLE unfinished", database)


def _nodes(fleet: Fleet, count: int) -> list[Server]:
    """Return nodes of one registry that holds all repositories."""
    return [*fleet.with_images(NODE_NAMES[0]), *fleet.running(*NODE_NAMES[1:count])]


def _load(fleet: Fleet, book: Book, key: Key, node: Server) -> None:
    own = cpu_s(node.pid)
    load = wrk.run(node.port, manifest_paths(fleet), fleet.scale.load_s)
    book.add(key, (cpu_s(node.pid) - own) / load.requests * 1e6)
    book.add(key._replace(unit=RATE), load.per_s)
    say(f"{key.benchmark}: {key.subject}: {load.per_s:,.0f}/s")


def _begin(port: int, count: int) -> None:
    with connected(port) as client:
        for _ in range(count):
            client.begin_upload("bench/unfinished")


def _cpu_s(nodes: Sequence[Server]) -> float:
    return sum(cpu_s(node.pid) for node in nodes)


def _files(node: Server) -> int:
    return sum(1 for path in node.data.rglob("*") if path.is_file())
