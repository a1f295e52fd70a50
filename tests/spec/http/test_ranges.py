"""Byte ranges: what is parsed selects the bytes that RFC 9110 says."""

import time
from dataclasses import dataclass
from itertools import combinations
from typing import Final

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from entrepot.spec.http.ranges import MAX_RANGES, ByteRange, RangeNotSatisfiable, neighbours, parse_ranges
from support.counts import examples

pytestmark = pytest.mark.fast


@dataclass(frozen=True)
class Asked:
    """One part of a Range header; without `first` it is a suffix of `last` bytes."""

    first: int | None
    last: int | None

    @property
    def text(self) -> str:
        """Return its form in the header."""
        return f"{'' if self.first is None else self.first}-{'' if self.last is None else self.last}"

    def of(self, content: range) -> range:
        """Return the offsets that it selects, by slicing."""
        if self.first is None:
            return content[-self.last :] if self.last else content[:0]
        return content[self.first :] if self.last is None else content[self.first : self.last + 1]


OFFSET: Final = st.integers(0, 40)
PART: Final = st.one_of(
    st.builds(Asked, OFFSET, OFFSET), st.builds(Asked, OFFSET, st.none()), st.builds(Asked, st.none(), OFFSET)
)


@given(st.integers(0, 32), st.lists(PART, min_size=1, max_size=5))
@settings(max_examples=examples(200, 50_000), deadline=None)
@example(10, [Asked(None, 0)])
@example(10, [Asked(5, 2)])
@example(10, [Asked(9, 9)])
@example(10, [Asked(10, 10)])
@example(0, [Asked(0, None)])
@example(0, [Asked(None, 5)])
@example(10, [Asked(0, 4), Asked(5, 9)])
@example(10, [Asked(5, 9), Asked(0, 5)])
def test_the_parsed_ranges_select_the_bytes_that_were_asked_for(size: int, parts: list[Asked]) -> None:
    header = "bytes=" + ",".join(part.text for part in parts)
    selected = [chosen for part in parts if (chosen := part.of(range(size)))]
    if not selected:
        with pytest.raises(RangeNotSatisfiable) as refused:
            parse_ranges(header, size)
        assert refused.value.size == size
        return
    found = parse_ranges(header, size)
    if any(set(one) & set(other) for one, other in combinations(selected, 2)):
        assert found is None, "overlapping parts are answered with the whole"
    else:
        assert found is not None
        assert [range(part.first, part.last + 1) for part in found] == selected
        assert [part.size for part in found] == [len(chosen) for chosen in selected]


@pytest.mark.parametrize(
    "header",
    [
        "",
        "bytes",
        "bytes=",
        "bytes=-",
        "bytes=a-b",
        "bytes=1",
        "bytes=0-1;2-3",
        "bytes=0-1,",
        "bytes=0-1,x",
        "bytes=0x0-0x1",
        "bytes=--1",
        "bytes=0-" + "9" * 20,
        "bytes=\u0660-\u0669",
        "items=0-1",
        "byte=0-1",
        "=0-1",
    ],
)
def test_a_header_that_is_malformed_or_of_another_unit_is_ignored(header: str) -> None:
    assert parse_ranges(header, 10) is None


@pytest.mark.parametrize("header", ["BYTES=0-1", " bytes =0-1", "bytes= 0-1 ", "bytes=\t0-1"])
def test_case_of_the_unit_and_white_space_do_not_matter(header: str) -> None:
    found = parse_ranges(header, 10)
    assert found is not None
    assert [(part.first, part.last) for part in found] == [(0, 1)]


@pytest.mark.parametrize(
    "header", ["bytes=" + " " * 30_000 + "-" + " " * 30_000 + "x", "bytes=" + "0-0," * 16_000, "bytes=" + "9" * 60_000 + "-"]
)
def test_a_header_that_was_made_to_take_long_takes_no_time(header: str) -> None:
    begun = time.process_time()
    assert parse_ranges(header, 10) is None
    assert time.process_time() - begun < 0.05


def test_white_space_inside_a_range_is_none_of_the_grammar() -> None:
    assert parse_ranges("bytes=0 - 1", 10) is None


def test_too_many_parts_are_answered_with_the_whole() -> None:
    parts = [f"{2 * place}-{2 * place}" for place in range(MAX_RANGES + 1)]
    most = parse_ranges("bytes=" + ",".join(parts[:MAX_RANGES]), 5000)
    assert most is not None
    assert len(most) == MAX_RANGES == 1024
    assert parse_ranges("bytes=" + ",".join(parts), 5000) is None


@pytest.mark.parametrize(
    ("ends", "groups"),
    [
        ([], []),
        ([(0, 3)], [1]),
        ([(0, 3), (6, 9)], [2]),
        ([(0, 3), (6, 10)], [1, 1]),
        ([(0, 50), (51, 52)], [1, 1]),
        ([(6, 7), (0, 3), (5, 5)], [1, 2]),
        ([(0, 0), (9, 9), (10, 10), (19, 19)], [2, 2]),
    ],
)
def test_ranges_are_neighbours_while_they_rise_within_the_span(ends: list[tuple[int, int]], groups: list[int]) -> None:
    ranges = [ByteRange(first, last) for first, last in ends]
    found = list(neighbours(ranges, 10))
    assert [len(group) for group in found] == groups
    assert [part for group in found for part in group] == ranges


@given(st.text(max_size=30), st.integers(0, 20))
@settings(max_examples=examples(150, 20_000), deadline=None)
def test_no_header_breaks_the_reader(text: str, size: int) -> None:
    for header in (text, f"bytes={text}"):
        try:
            found = parse_ranges(header, size)
        except RangeNotSatisfiable:
            continue
        assert found is None or all(0 <= part.first <= part.last < size for part in found)
