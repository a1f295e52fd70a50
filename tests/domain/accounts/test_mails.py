"""Every language says something on every occasion, with the same facts, and nothing of a fact becomes more than a line."""

import string

import pytest

from entrepot.domain.accounts.mails import Notice, Occasion, texts, written
from entrepot.domain.accounts.model import Language, Purpose

pytestmark = pytest.mark.fast
OCCASIONS: tuple[Occasion, ...] = (*Purpose, *Notice)


def facts_of(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("occasion", OCCASIONS)
def test_each_language_has_the_same_facts_on_each_occasion(language: Language, occasion: Occasion) -> None:
    ours = [facts_of(part) for part in texts(language)[occasion]]
    theirs = [facts_of(part) for part in texts(Language.ENGLISH)[occasion]]
    assert ours == theirs
    assert texts(language).keys() == set(OCCASIONS)
    assert ("link" in ours[1]) == isinstance(occasion, Purpose)


def test_the_languages_differ() -> None:
    assert all(texts(Language.FRENCH)[each][1] != texts(Language.ENGLISH)[each][1] for each in OCCASIONS)


def test_a_fact_stays_in_one_line() -> None:
    facts = {"name": "x", "hub": "h", "token": "a\r\nBcc: all@example.com\n\n" + "y" * 400, "until": "2026-12-01"}
    subject, text = written(Notice.TOKEN_EXPIRES, Language.ENGLISH, facts)
    assert "\n" not in subject
    assert "'a Bcc: all@example.com y" in text
    assert "y" * 300 not in text
