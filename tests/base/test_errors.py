"""Errors say what is the case, with facts that are fit to be shown."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrepot.base.errors import EntrepotError, Unavailable, shown

pytestmark = pytest.mark.fast


class Sold(EntrepotError):
    """An error for these tests."""

    summary = "{what} is sold"


def test_a_message_is_the_summary_with_the_facts() -> None:
    assert Sold(what="bread").message == str(Sold(what="bread")) == "bread is sold"
    assert EntrepotError().message == "the request could not be completed"
    assert Sold(what="{braces}").message == "{braces} is sold"


@given(st.text(st.characters(codec=None), max_size=400))
def test_whatever_a_client_sent_can_be_shown_and_is_not_endless(text: str) -> None:
    seen = shown(text)
    assert len(seen.encode("utf-8").decode("utf-8")) <= 301
    if len(text) <= 300 and not any("\ud800" <= letter <= "\udfff" for letter in text):
        assert seen == text


def test_half_a_surrogate_pair_is_shown_as_its_escape() -> None:
    assert Sold(what="\ud800").message == r"\ud800 is sold"


def test_a_long_fact_is_cut_and_marked() -> None:
    assert shown("x" * 300) == "x" * 300
    assert shown("x" * 301) == "x" * 300 + "…"


def test_what_is_unavailable_is_named_with_when_to_try_again() -> None:
    away = Unavailable("the disk", retry_after_s=7)
    assert away.retry_after_s == 7
    assert away.message == "the disk is not available at the moment: try again in 7 seconds"
