"""Repository names, tags and references, against a second reading of the grammar that uses no regular expression."""

from itertools import groupby
from typing import Final

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from entrepot.spec.oci.digest import Digest, DigestInvalid
from entrepot.spec.oci.names import (
    MAX_NAME_LENGTH,
    RESERVED,
    NameInvalid,
    NameReserved,
    RepositoryName,
    TagInvalid,
    parse_reference,
    parse_tag,
)
from support.counts import examples

pytestmark = pytest.mark.fast

LOWER: Final = frozenset("abcdefghijklmnopqrstuvwxyz0123456789")
WORD: Final = LOWER | frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ_")
# The words that design decided about, written out again: a word that goes missing from the product must be noticed.
KEPT: Final = (
    *("repositories", "namespaces", "users", "orgs", "auth", "access-tokens", "api_tokens", "search", "auditlogs", "scim"),
    *("accounts", "token", "api", "v1", "v2", "_trust", "_oci", "admin", "static", "health"),
)
NEAR: Final = st.text("ab0z9._-/A \n\t%:é\u0663", max_size=24)
SEGMENT: Final = st.from_regex(r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+){0,3}", fullmatch=True).filter(lambda text: text not in KEPT)


def is_segment(text: str) -> bool:
    """Tell whether runs of letters and digits alternate with single separators, and stand at both ends."""
    runs = [(plain, "".join(run)) for plain, run in groupby(text, key=lambda letter: letter in LOWER)]
    if not runs or not runs[0][0] or not runs[-1][0]:
        return False
    return all(plain or run in {".", "_", "__"} or set(run) == {"-"} for plain, run in runs)


def is_name(text: str) -> bool:
    """Tell whether the grammar and the length allow the text."""
    whole = text if "/" in text else f"library/{text}"
    return all(is_segment(segment) for segment in text.split("/")) and len(whole) <= MAX_NAME_LENGTH


def is_kept(text: str) -> bool:
    """Tell whether the name would stand where the hub's own addresses are."""
    first, _, rest = text.partition("/")
    return first in KEPT or (first == "library" and rest in KEPT)


@given(NEAR)
@settings(max_examples=examples(200, 20_000), deadline=None)
@example("a" * 255)
@example("a/" + "b" * 253)
@example("a/" + "b" * 254)
@example("a\n")
@example("a/b\n")
@example("")
@example("/a")
@example("a/")
@example("a//b")
@example("a___b")
@example("a---b")
@example("a._b")
def test_a_name_is_accepted_exactly_when_the_grammar_allows_it(text: str) -> None:
    if is_name(text) and not is_kept(text):
        assert RepositoryName.parse(text).asked == text
    else:
        with pytest.raises(NameInvalid):
            RepositoryName.parse(text)


@given(st.lists(SEGMENT, min_size=1, max_size=5))
@settings(max_examples=examples(100, 5_000), deadline=None)
def test_a_well_formed_name_is_accepted_and_a_single_segment_lies_in_library(segments: list[str]) -> None:
    text = "/".join(segments)
    if not is_name(text) or is_kept(text):
        return
    name = RepositoryName.parse(text)
    assert name.stored == (text if len(segments) > 1 else f"library/{text}")
    assert name.namespace == (segments[0] if len(segments) > 1 else "library")


def test_a_single_segment_and_its_full_name_are_the_same_repository() -> None:
    short, full = RepositoryName.parse("nginx"), RepositoryName.parse("library/nginx")
    assert short.stored == full.stored == "library/nginx"
    assert (short.asked, full.asked) == ("nginx", "library/nginx")


def test_a_name_of_two_segments_is_never_put_into_library() -> None:
    assert RepositoryName.parse("foo/bar").stored == "foo/bar"
    assert RepositoryName.parse("library/foo/bar").stored == "library/foo/bar"


def test_the_longest_name_has_255_characters_with_its_namespace() -> None:
    assert RepositoryName.parse("a" * 247).stored == "library/" + "a" * 247
    with pytest.raises(NameInvalid, match="at most 255"):
        RepositoryName.parse("a" * 248)
    assert len(RepositoryName.parse("a/" + "b" * 253).stored) == 255
    with pytest.raises(NameInvalid):
        RepositoryName.parse("a/" + "b" * 254)


def test_the_kept_words_are_those_that_were_decided() -> None:
    assert sorted(RESERVED) == sorted(KEPT)


@pytest.mark.parametrize("word", [word for word in KEPT if not word.startswith("_")])
def test_a_kept_word_is_refused_as_first_segment_with_and_without_library(word: str) -> None:
    for text in (word, f"{word}/app", f"library/{word}"):
        with pytest.raises(NameReserved) as refused:
            RepositoryName.parse(text)
        assert text in refused.value.message
    assert RepositoryName.parse(f"team/{word}").stored == f"team/{word}"
    assert RepositoryName.parse(f"library/{word}/app").stored == f"library/{word}/app"
    assert RepositoryName.parse(f"{word}x/app").stored == f"{word}x/app"


@pytest.mark.parametrize("word", ["_trust", "_oci"])
def test_a_kept_word_with_an_underscore_in_front_is_no_name_at_all(word: str) -> None:
    with pytest.raises(NameInvalid):
        RepositoryName.parse(f"{word}/app")


def is_tag(text: str) -> bool:
    """Tell whether the specification allows the tag."""
    return 1 <= len(text) <= 128 and text[0] in WORD and set(text) <= WORD | {".", "-"}


@given(st.one_of(st.text("aZ9_.-\n/:é\u0663", max_size=12), st.text("a.", min_size=125, max_size=131)))
@settings(max_examples=examples(200, 20_000), deadline=None)
@example("v1\n")
@example("")
@example("a" * 128)
@example("a" * 129)
def test_a_tag_is_accepted_exactly_when_the_grammar_allows_it(text: str) -> None:
    if is_tag(text):
        assert parse_tag(text) == text
    else:
        with pytest.raises(TagInvalid):
            parse_tag(text)


def test_a_reference_with_a_colon_is_a_digest_and_never_a_tag() -> None:
    text = "sha256:" + "0" * 64
    assert parse_reference(text) == Digest("sha256", "0" * 64)
    assert parse_reference("v1") == "v1"
    with pytest.raises(DigestInvalid):
        parse_reference("sha256:bad")
    with pytest.raises(TagInvalid):
        parse_reference(".v1")
