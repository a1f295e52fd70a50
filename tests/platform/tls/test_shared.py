"""The pair in shared memory: readers get whole pairs only, whatever the writer is doing."""

import multiprocessing
import time
from pathlib import Path

import pytest

from entrepot.platform.tls.pairs import Pair, load
from entrepot.platform.tls.shared import SharedPair
from support.certificates import Authority

_RUN_S = 2.0


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> list[Pair]:
    """Two pairs of different length and end."""
    authority = Authority.make(tmp_path_factory.mktemp("authority"))
    certificate, key = authority.sign("long", dates=("-days", "9"))
    chain = Path(f"{certificate}.chain")
    chain.write_bytes(certificate.read_bytes() + authority.file.read_bytes())
    return [load(*authority.sign("short")), load(chain, key)]


def test_a_reader_is_told_once_of_each(pairs: list[Pair]) -> None:
    shared = SharedPair()
    shared.put(pairs[0])
    assert shared.newer(0) == (1, pairs[0].pem)
    assert shared.newer(1) is None
    assert shared.ends_at == pairs[0].ends_at
    shared.put(pairs[1])
    assert shared.newer(1) == (2, pairs[1].pem)
    assert shared.ends_at == pairs[1].ends_at


def test_no_reader_ever_gets_a_mixture(pairs: list[Pair]) -> None:
    shared = SharedPair()
    shared.put(pairs[0])
    writer = multiprocessing.get_context("fork").Process(target=_write, args=(shared, pairs))
    writer.start()
    seen, end, number = set(), time.monotonic() + _RUN_S, 0
    while time.monotonic() < end:
        if found := shared.newer(number):
            number, pem = found
            seen.add(pem)
    writer.kill()
    writer.join()
    assert seen == {pair.pem for pair in pairs}
    assert number > 100


def _write(shared: SharedPair, pairs: list[Pair]) -> None:
    while True:
        for pair in pairs:
            shared.put(pair)
