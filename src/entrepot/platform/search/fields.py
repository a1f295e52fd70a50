"""The fields of an index and how their texts are cut.

Whoever changes anything here, or what is written into them, raises `VERSION`: then indexes are made anew.
"""

from functools import cache, lru_cache
from typing import Final

from tantivy import Filter, Index, Schema, SchemaBuilder, TextAnalyzer, TextAnalyzerBuilder, Tokenizer

VERSION: Final = 3
ID: Final = "id"
SEEN_BY: Final = "seen_by"
EXACT: Final = "exact"
NAME: Final = "name"
EDGE: Final = "edge"  # beginnings of the words of names
OWNER: Final = "owner"
ABOUT: Final = {"english": "about_en", "french": "about_fr"}
TEXT: Final = {"english": "text_en", "french": "text_fr"}
MARK: Final = "mark"
WEIGHT: Final = "weight"
UPDATED: Final = "updated"
_LONGEST_WORD: Final = 60
_WORDS: Final = "words"


@cache
def schema() -> Schema:
    """Return the fields."""
    build = SchemaBuilder()
    build.add_unsigned_field(ID, indexed=True, fast=True)
    for name in (SEEN_BY, EXACT, MARK, EDGE):
        build.add_text_field(name, tokenizer_name=_WORDS, index_option="basic")
    for name in (NAME, OWNER):
        build.add_text_field(name, tokenizer_name=_WORDS, index_option="freq")
    for fields in (ABOUT, TEXT):
        for language, name in fields.items():
            build.add_text_field(name, tokenizer_name=language, index_option="freq")
    for name in ("pulls", "stars"):
        build.add_unsigned_field(name, fast=True)
    build.add_unsigned_field(UPDATED, indexed=True, fast=True)
    build.add_float_field(WEIGHT, fast=True)
    return build.build()


@cache
def analyzer(language: str) -> TextAnalyzer:
    """Return what cuts a text of a language into stems, without the words that say nothing."""
    return (
        TextAnalyzerBuilder(Tokenizer.simple())
        .filter(Filter.remove_long(_LONGEST_WORD))
        .filter(Filter.lowercase())
        .filter(Filter.stopword(language))
        .filter(Filter.stemmer(language))
        .filter(Filter.ascii_fold())
        .build()
    )


@lru_cache(maxsize=10_000)
def says_nothing(word: str) -> bool:
    """Tell whether a word, in lower case, is one of those that every text has, in one of the languages."""
    return any(not _without_stems(language).analyze(word) for language in ABOUT)


@cache
def _without_stems(language: str) -> TextAnalyzer:
    return TextAnalyzerBuilder(Tokenizer.simple()).filter(Filter.stopword(language)).build()


def with_words(index: Index) -> Index:
    """Return an index that knows how texts are cut."""
    index.register_tokenizer(_WORDS, TextAnalyzerBuilder(Tokenizer.whitespace()).build())
    for language in ABOUT:
        index.register_tokenizer(language, analyzer(language))
    return index
