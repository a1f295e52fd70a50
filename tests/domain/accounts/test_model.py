"""Patterns, terms and addresses of mail."""

import fnmatch
import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from entrepot.domain.accounts.errors import EmailInvalid, TermsInvalid
from entrepot.domain.accounts.model import Grant, Held, Scope, Terms, checked, matches, parse_email
from support.counts import examples

pytestmark = pytest.mark.fast


@given(st.text("ab/*", max_size=8), st.text("ab/", max_size=10))
@settings(max_examples=examples(200, 20_000), deadline=None)
def test_a_star_stands_for_anything(pattern: str, name: str) -> None:
    assert matches(pattern, name) == bool(re.fullmatch(fnmatch.translate(pattern), name))


def test_a_pattern_of_many_stars_takes_no_time() -> None:
    began = time.perf_counter()
    assert not matches("*a" * 120 + "b", "a" * 255)
    assert time.perf_counter() - began < 0.05


@pytest.mark.parametrize("text", ["ann@example.com", "Ann.B+x@sub.example.org"])
def test_an_address_is_kept_in_lower_case(text: str) -> None:
    assert parse_email(text) == text.lower()


@pytest.mark.parametrize("text", ["", "ann", "ann@", "@example.com", "a b@example.com", "ann@example.com\nBcc: x@y.z", "<a@b.c>"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(EmailInvalid):
        parse_email(text)


@pytest.mark.parametrize(
    "terms",
    [
        Terms(repositories=("Team/App",)),
        Terms(repositories=("",)),
        Terms(tags=("a/b",)),
        Terms(networks=("10.0.0.1/8",)),
        Terms(networks=("here",)),
        Terms(repositories=("a",) * 51),
        Terms(Scope.DELETE, grants=(Held("a b", Grant.READ),)),
    ],
)
def test_terms_that_cannot_be_read_are_refused(terms: Terms) -> None:
    with pytest.raises(TermsInvalid):
        checked(terms)


def test_terms_that_can_be_read_are_returned_as_they_are() -> None:
    terms = Terms(Scope.WRITE, ("team/*",), ("v1.*",), ("10.0.0.0/8", "::1"))
    assert checked(terms) is terms
