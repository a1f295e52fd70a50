"""Asking an index. It is read from files that all processes share; what was committed is seen a second later."""

import time
from collections.abc import Iterable
from pathlib import Path
from threading import Lock
from typing import Any, Final

from tantivy import FieldType, Index, Occur, Query, Searcher
from tantivy import Order as Direction

from entrepot.base.errors import Unavailable
from entrepot.platform.search.fields import (
    ABOUT,
    EDGE,
    EXACT,
    ID,
    MARK,
    NAME,
    OWNER,
    SEEN_BY,
    TEXT,
    UPDATED,
    WEIGHT,
    analyzer,
    says_nothing,
    schema,
    with_words,
)
from entrepot.platform.search.library import IndexBroken, told
from entrepot.platform.search.model import Found, Order, Wanted, Word
from entrepot.platform.search.writing import folder_of

_RELOAD_S: Final = 1.0
_RETRY_S: Final = 2.0
_DEEPEST: Final = 10_000  # entries that pages can go to: what lies behind is found by other words
SHORTEST: Final = (0, 4, 8)  # letters of a word in which so many slips are taken for it
_WHOLE: Final = 1000.0
_OF_NAME: Final = 3.0
_OF_OWNER: Final = 1.0
_OF_EDGE: Final = 1.2
_OF_ABOUT: Final = 1.5
_OF_TEXT: Final = 0.5
_OF_SLIP: Final = 6.0
_SEVERAL: Final = 0.1  # of the score of the fields of a word beside its best one


class IndexAway(Unavailable):
    """There is no index here, or none that can be read."""

    def __init__(self) -> None:
        super().__init__("the search index, which is made by itself,")


class Reading:
    """The index as a process sees it. Its methods take from half a millisecond to some ten, without Python's lock."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder_of(folder)
        self._index: Index | None = None
        self._looked_at = 0.0
        self._turn = Lock()  # of threads: the first ones would open it several times, or be told that it is away

    def search(self, wanted: Wanted) -> Found:
        """Return what is found. Raises IndexAway."""
        most = max(0, min(wanted.most, _DEEPEST - wanted.first))
        how: dict[str, Any] = {"offset": wanted.first, "limit": most or 1}
        if wanted.order is Order.BEST and (wanted.words or wanted.whole):
            how["weight_by_field"] = WEIGHT
        else:
            by = Order.PULLS if wanted.order is Order.BEST else wanted.order
            how |= {"order_by_field": by.value, "order": Direction.Desc}
        query = _query(wanted)
        searcher = self._searcher()
        try:
            with told():
                found = searcher.search(query, **how)
                places = [address for _, address in found.hits] if most else []
                ids = searcher.fast_field_values(ID, places) if places else []
        except (OSError, IndexBroken) as error:
            raise self._gone() from error
        return Found([int(each) for each in ids if each is not None], found.count)  # type: ignore[attr-defined]  # a gap of its stubs

    def count(self) -> int:
        """Return how many entries there are. Raises IndexAway."""
        return self._searcher().num_docs

    def _searcher(self) -> Searcher:
        try:
            with self._turn, told():
                now = time.monotonic()
                if self._index is None:
                    if self._looked_at and now - self._looked_at < _RETRY_S:
                        raise IndexAway
                    self._looked_at = now
                    index = with_words(Index.open(str(self._folder)))
                    index.config_reader("manual", 0)
                    index.reload()
                    self._index = index
                elif now - self._looked_at > _RELOAD_S:
                    self._looked_at = now
                    self._index.reload()
                return self._index.searcher()
        except (OSError, IndexBroken) as error:
            raise self._gone() from error

    def _gone(self) -> IndexAway:
        self._index = None
        self._looked_at = time.monotonic()
        return IndexAway()


def _query(wanted: Wanted) -> Query:
    # Words such as `the` are looked for only where there are no others.
    words = [each for each in wanted.words if not says_nothing(each.text)] or wanted.words
    found = [_word(word) for word in words]
    parts: list[tuple[Occur, Query]] = [(Occur.Must, each) for each in found]
    if wanted.any_word and found:
        parts = [(Occur.Must, Query.boolean_query([(Occur.Should, each) for each in found]))]
    parts += [(Occur.Should, Query.const_score_query(_term(EXACT, each), _WHOLE)) for each in wanted.whole]
    if wanted.sight is not None:
        parts.append((Occur.Must, _silent(_one_of(SEEN_BY, wanted.sight))))
    parts += [(Occur.Must, _silent(_one_of(MARK, group))) for group in wanted.marks]
    if wanted.updated_from:
        since = Query.range_query(schema(), UPDATED, FieldType.Unsigned, lower_bound=wanted.updated_from)
        parts.append((Occur.Must, _silent(since)))
    if not any(occur is Occur.Must for occur, _ in parts):
        parts.append((Occur.Must, _silent(Query.all_query())))
    return Query.boolean_query(parts)


def _word(word: Word) -> Query:
    """Return what finds a word in any field."""
    clauses = [
        Query.boost_query(_term(NAME, word.text), _OF_NAME),
        Query.boost_query(_term(OWNER, word.text), _OF_OWNER),
        Query.boost_query(_term(EDGE, word.text), _OF_EDGE),
    ]
    for fields, boost in ((ABOUT, _OF_ABOUT), (TEXT, _OF_TEXT)):
        for language, name in fields.items():
            clauses += [Query.boost_query(_term(name, stem), boost) for stem in analyzer(language).analyze(word.text)[:1]]
    slips = max(count for count, least in enumerate(SHORTEST[: word.slips + 1]) if len(word.text) >= least)
    if slips:
        near = [(NAME, _OF_SLIP), (OWNER, _OF_OWNER), *((name, _OF_ABOUT) for name in ABOUT.values())]
        clauses += [
            Query.boost_query(Query.fuzzy_term_query(schema(), name, word.text, slips, transposition_cost_one=True), boost)
            for name, boost in near
        ]
    return Query.disjunction_max_query(clauses, _SEVERAL)


def _term(field: str, value: str) -> Query:
    return Query.term_query(schema(), field, value)


def _one_of(field: str, values: Iterable[str]) -> Query:
    values = list(values)
    return _term(field, values[0]) if len(values) == 1 else Query.term_set_query(schema(), field, values)


def _silent(query: Query) -> Query:
    """Return a condition that adds nothing to the score."""
    return Query.const_score_query(query, 0.0)
