"""A running digest is hashlib's digest, however the bytes are split and wherever the rest of them is hashed."""

import hashlib
import os
import random
import subprocess
import sys
from collections.abc import Callable
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from entrepot.platform.storage import hashing
from entrepot.platform.storage.hashing import RunningHash, continued_hash, new_hash
from support.counts import examples
from support.tools import PROJECT

pytestmark = pytest.mark.fast
ALGORITHMS: Final = ("sha256", "sha512")
KINDS: Final[dict[str, Callable[[str], RunningHash]]] = {"libcrypto": new_hash, "hashlib": hashing._Hashlib}
# What another process does with a state: continue it and print the digest.
CONTINUE: Final = """
import sys
from entrepot.platform.storage.hashing import continued_hash
algorithm, state, rest = sys.argv[1], bytes.fromhex(sys.argv[2]), bytes.fromhex(sys.argv[3])
continued = continued_hash(algorithm, state)
continued.update(rest)
print(continued.hexdigest())
"""


@pytest.fixture(params=ALGORITHMS)
def algorithm(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("algorithm_", ALGORITHMS)
@settings(max_examples=examples(60, 2000), deadline=None)
@given(parts=st.lists(st.binary(max_size=300), max_size=12))
def test_any_split_gives_the_digest_of_the_whole(kind: str, algorithm_: str, parts: list[bytes]) -> None:
    running = KINDS[kind](algorithm_)
    for part in parts:
        running.update(part)
    assert running.algorithm == algorithm_
    assert running.hexdigest() == hashlib.new(algorithm_, b"".join(parts)).hexdigest()


@pytest.mark.parametrize("algorithm_", ALGORITHMS)
@settings(max_examples=examples(60, 2000), deadline=None)
@given(first=st.binary(max_size=400), rest=st.binary(max_size=400))
def test_a_saved_state_continues_where_it_stopped(algorithm_: str, first: bytes, rest: bytes) -> None:
    begun = new_hash(algorithm_)
    begun.update(first)
    state = begun.state()
    assert state is not None
    continued = continued_hash(algorithm_, state)
    assert continued is not None
    continued.update(rest)
    assert continued.hexdigest() == hashlib.new(algorithm_, first + rest).hexdigest()
    assert begun.hexdigest() == hashlib.new(algorithm_, first).hexdigest()


def test_the_digest_can_be_asked_for_before_the_end(algorithm: str) -> None:
    running = new_hash(algorithm)
    running.update(b"one")
    assert [running.hexdigest(), running.hexdigest()] == [hashlib.new(algorithm, b"one").hexdigest()] * 2
    running.update(b"two")
    assert running.hexdigest() == hashlib.new(algorithm, b"onetwo").hexdigest()


def test_another_process_continues_a_saved_state(algorithm: str) -> None:
    content = random.Random(7).randbytes(10_000)
    begun = new_hash(algorithm)
    begun.update(content[:4_321])
    state = begun.state()
    assert state is not None
    done = subprocess.run(
        [sys.executable, "-c", CONTINUE, algorithm, state.hex(), content[4_321:].hex()],
        env={**os.environ, "PYTHONPATH": str(PROJECT / "src")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == hashlib.new(algorithm, content).hexdigest()


def test_states_are_small_enough_for_a_row() -> None:
    assert {algorithm: len(new_hash(algorithm).state() or b"") for algorithm in ALGORITHMS} == {"sha256": 112, "sha512": 216}


def test_a_state_of_another_machine_is_not_continued(algorithm: str) -> None:
    assert continued_hash(algorithm, b"") is None
    assert continued_hash(algorithm, bytes(111)) is None


def test_a_hash_goes_on_from_where_another_process_came(algorithm: str) -> None:
    here, there = new_hash(algorithm), new_hash(algorithm)
    here.update(b"forgotten")
    there.update(b"one")
    here.resume(there.state() or b"")
    there.update(b"of its own")
    here.update(b"two")
    assert here.hexdigest() == hashlib.new(algorithm, b"onetwo").hexdigest()
    for wrong in (b"", bytes(111)):
        with pytest.raises(ValueError, match="no state"):
            here.resume(wrong)


def test_where_libcrypto_is_missing_the_bytes_must_be_read_again(algorithm: str) -> None:
    running = hashing._Hashlib(algorithm)
    assert running.state() is None
    with pytest.raises(ValueError, match="cannot be continued"):
        running.resume(bytes(112))


def test_a_library_whose_hashes_are_wrong_is_not_used() -> None:
    library = hashing._library()
    assert library is not None
    assert hashing._checked(library) is library
    assert hashing._checked(None) is None
    setattr(library, "SHA256_Update", library.SHA256_Init)  # noqa: B010 - ctypes gives no types for them; this one hashes nothing
    assert hashing._checked(library) is None
