"""Digests: what parses is canonical, and nothing else parses."""

import hashlib
from typing import Final

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from entrepot.spec.oci.digest import ALGORITHMS, AlgorithmUnknown, Digest, DigestInvalid, parse_algorithm
from support.counts import examples

pytestmark = pytest.mark.fast

LENGTHS: Final = {"sha256": 64, "sha512": 128}


def is_digest(text: str) -> bool:
    """Tell whether the text is an algorithm that we compute and as many lower-case hex digits as it gives."""
    algorithm, _, digits = text.partition(":")
    return LENGTHS.get(algorithm) == len(digits) and set(digits) <= set("0123456789abcdef")


@given(
    st.builds(
        lambda algorithm, digits, end: f"{algorithm}:{digits}{end}",
        st.sampled_from(["sha256", "sha512", "SHA256", "sha1", "md5", "blake3", "sha256+b64", ""]),
        st.one_of(
            st.text("0123456789abcdef", min_size=64, max_size=64),
            st.text("0123456789abcdef", min_size=128, max_size=128),
            st.text("0123456789abcdefABFg\u0663", min_size=63, max_size=65),
        ),
        st.sampled_from(["", "", "", "\n", " ", ":"]),
    )
)
@settings(max_examples=examples(150, 20_000), deadline=None)
@example("sha256:" + "a" * 64 + "\n")
@example("sha256" + "a" * 64)
@example("")
@example(":")
def test_a_digest_is_accepted_exactly_when_its_algorithm_and_length_fit(text: str) -> None:
    if is_digest(text):
        assert str(Digest.parse(text)) == text
    else:
        with pytest.raises(DigestInvalid, match="is not a digest that this registry accepts"):
            Digest.parse(text)


@given(st.binary(max_size=200), st.sampled_from(ALGORITHMS))
@settings(max_examples=examples(50, 1_000), deadline=None)
def test_the_digest_of_bytes_is_the_one_that_others_compute(content: bytes, algorithm: str) -> None:
    computed = Digest.of(content, algorithm)
    assert str(computed) == f"{algorithm}:{hashlib.new(algorithm, content).hexdigest()}"
    assert Digest.parse(str(computed)) == computed


def test_bytes_are_hashed_with_sha256_when_nothing_else_is_said() -> None:
    assert str(Digest.of(b"{}")) == "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"


def test_only_algorithms_that_can_be_computed_are_taken() -> None:
    assert sorted(ALGORITHMS) == sorted(LENGTHS)
    for name in ALGORITHMS:
        assert parse_algorithm(name) == name
    for name in ("", "sha1", "SHA256", "blake3", "sha256 "):
        with pytest.raises(AlgorithmUnknown, match="use sha256 or sha512"):
            parse_algorithm(name)
