"""zot's benchmark `zb`: sixteen scenarios of two clients, each on a server that was just started on an empty folder."""

import os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from statistics import median
from typing import Final

from bench import zb
from bench.bars import ZB
from bench.book import AHEAD, CPU_SECONDS, PREPARED_RATE, RATE, Book, Key
from bench.fleet import Fleet
from bench.images import LargeFile, Payload
from bench.processes import cpu_s
from bench.progress import say
from bench.scale import MIB
from bench.servers import ENTREPOT, REGISTRY, ZOT, Server

_ROUNDS: Final = 3  # of 48 runs for each server: with the default of the other benchmarks it would take too long


def scenarios(fleet: Fleet, book: Book) -> None:
    """Play each scenario against each server in turn, every time with blobs that nobody has seen."""
    files = {size: LargeFile(fleet.folder / f"zb-{size}", size * MIB) for size in zb.SIZES_MIB}
    names = fleet.to_be_had(ENTREPOT, REGISTRY, ZOT)
    with ProcessPoolExecutor(zb.CLIENTS, get_context("spawn")) as pool:
        for number, scenario in enumerate(zb.SCENARIOS):
            for turn, name in enumerate(fleet.rounds(names, at_most=_ROUNDS)):
                # One seed for a round: all servers get the same work.
                seed = turn // len(names) * zb.CLIENTS
                sizes = [scenario.sizes(seed + client, fleet.scale.zb_part) for client in range(zb.CLIENTS)]
                blobs = {size: file.payload() for size, file in files.items()}
                with fleet.empty(name) as server:
                    _play(pool, book, server, number, blobs, sizes)
    book.add(Key(ZB, ENTREPOT, AHEAD), _count_ahead(book))


def _play(
    pool: ProcessPoolExecutor, book: Book, server: Server, number: int, blobs: dict[int, Payload], sizes: list[list[int]]
) -> None:
    scenario = zb.SCENARIOS[number]
    # What the last server left unwritten is written now, and not while this one is measured.
    os.sync()
    before = cpu_s(server.pid)
    parts = [zb.Part(number, server.port, blobs, own, client) for client, own in enumerate(sizes)]
    times = list(pool.map(zb.play, parts))
    requests, end = sum(map(len, sizes)), max(each.ended for each in times)
    rate = requests / (end - min(each.began for each in times))
    book.add(Key(scenario.name, server.name, RATE), rate)
    if scenario.prepares:
        book.add(Key(scenario.name, server.name, PREPARED_RATE), requests / (end - min(each.prepared for each in times)))
    book.add(Key(scenario.name, server.name, CPU_SECONDS), cpu_s(server.pid) - before)
    say(f"{scenario.name}: {server.name}: {rate:,.1f}/s")


def _count_ahead(book: Book) -> int:
    ratios = [book.ratios(Key(scenario.name, ENTREPOT, RATE), Key(scenario.name, REGISTRY, RATE)) for scenario in zb.SCENARIOS]
    return sum(median(each) > 1 for each in ratios if each)
