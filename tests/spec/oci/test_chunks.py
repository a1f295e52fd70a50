"""The Content-Range of a chunk."""

from typing import Final

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from entrepot.spec.oci.chunks import Chunk, ChunkRangeInvalid, ChunkSizeInvalid
from support.counts import examples

pytestmark = pytest.mark.fast

OFFSET: Final = st.integers(0, 10**19 - 1)


@given(OFFSET, OFFSET)
@settings(max_examples=examples(100, 5_000), deadline=None)
@example(0, 0)
@example(1, 0)
@example(10**19 - 1, 10**19 - 1)
def test_a_range_is_first_and_last_byte_with_the_last_not_before_the_first(first: int, last: int) -> None:
    header = f"{first}-{last}"
    if last < first:
        with pytest.raises(ChunkRangeInvalid, match="0-1023"):
            Chunk.parse(header, None)
    else:
        chunk = Chunk.parse(header, last - first + 1)
        assert (chunk.first, chunk.last, chunk.size) == (first, last, last - first + 1)


@pytest.mark.parametrize(
    "header",
    [
        "",
        "-",
        "1-",
        "-1",
        "bytes 0-1",
        "0-1/2",
        "0-1/*",
        " 0-1",
        "0-1 ",
        "0-1\n",
        "0--1",
        "+0-1",
        "0_0-1_0",
        "\u0660-\u0669",
        "1" * 20 + "-1",
    ],
)
def test_every_other_form_is_refused(header: str) -> None:
    with pytest.raises(ChunkRangeInvalid):
        Chunk.parse(header, None)


@given(st.integers(0, 1000), st.integers(0, 1000), st.integers(0, 1100))
@settings(max_examples=examples(100, 5_000), deadline=None)
@example(0, 0, 0)
@example(5, 9, 5)
def test_a_content_length_that_contradicts_the_range_is_refused(first: int, more: int, length: int) -> None:
    header = f"{first}-{first + more}"
    if length == more + 1:
        assert Chunk.parse(header, length).size == length
    else:
        with pytest.raises(ChunkSizeInvalid, match=f"has {more + 1} bytes, but its Content-Length says {length}"):
            Chunk.parse(header, length)
