"""Languages: which one a page has, how each writes numbers, sizes and times, and that nothing is left untranslated."""

import re
from pathlib import Path
from typing import Final

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

from entrepot.base.clock import now_us
from entrepot.web import hub
from entrepot.web.hub.words import LANGUAGES, chosen, words

pytestmark = pytest.mark.fast
_FOLDER: Final = Path(hub.__file__).parent
_METHODS: Final = [("**.py", "python"), ("templates/**.html", "jinja2")]
_OPTIONS: Final = {"templates/**.html": {"trim_blocks": "true", "lstrip_blocks": "true", "newstyle_gettext": "true"}}
_DAY_US: Final = 86_400_000_000


@pytest.mark.parametrize(
    ("asked", "remembered", "accepted", "language"),
    [
        ("fr", "en", "en", "fr"),
        (None, "fr", "en", "fr"),
        (None, None, "fr-CA, en;q=0.8", "fr"),
        (None, None, "de, en;q=0.2, fr;q=0.5", "fr"),
        (None, None, "fr;q=0, en;q=0.1", "en"),
        ("de", "xx", "", "en"),
        (None, None, "fr;q=x, *", "en"),
        (None, None, "," * 100_000, "en"),
    ],
)
def test_the_language_is_what_was_asked_for_last(asked: str | None, remembered: str | None, accepted: str, language: str) -> None:
    assert chosen(asked, remembered, accepted) == language


def test_numbers_and_sizes_are_written_as_the_language_does() -> None:
    english, french = words("en"), words("fr")
    assert english.number(14872) == "14,872"
    assert french.number(14872) == "14\N{NARROW NO-BREAK SPACE}872"
    assert english.short(1_300_000_000) == '<span title="1,300,000,000">1.3B</span>'
    assert french.short(1_300_000_000).endswith(">1,3\N{NO-BREAK SPACE}Md</span>")
    assert english.short(8_100) == "8,100"
    assert [english.size(each) for each in (0, 310, 1_800, 29_800_000, 157_000_000, 1_800_000_000)] == [
        f"{text}\N{NO-BREAK SPACE}{unit}"
        for text, unit in (("0", "B"), ("310", "B"), ("1.8", "kB"), ("29.8", "MB"), ("157", "MB"), ("1.8", "GB"))
    ]
    assert french.size(1_800_000) == "1,8\N{NO-BREAK SPACE}Mo"


def test_ages_are_told_for_two_years_and_then_the_day() -> None:
    english, french = words("en"), words("fr")
    assert ">today<" in english.age(now_us())
    assert ">3 days ago<" in english.age(now_us() - 3 * _DAY_US)
    assert ">il y a 3 jours<" in french.age(now_us() - 3 * _DAY_US)
    first_of_march = 1_772_323_200_000_000
    assert english.date(first_of_march) == "1 Mar 2026"
    assert french.date(first_of_march) == "1er mars 2026"
    old = english.age(1_500_000_000_000_000)
    assert old == '<time datetime="2017-07-14T02:40:00+00:00" title="14 Jul 2017, 02:40 UTC">14 Jul 2017</time>'


@pytest.mark.parametrize("language", [each for each in LANGUAGES if each != "en"])
def test_every_text_is_translated_and_none_is_left_over(language: str) -> None:
    with (_FOLDER / "locale" / f"{language}.po").open("rb") as opened:
        catalogue = read_po(opened, locale=language)
    texts = {each[2] for each in extract_from_dir(str(_FOLDER), _METHODS, _OPTIONS)}
    translated = {message.id: message.string for message in catalogue if message.id}
    assert {each if isinstance(each, str) else tuple(each) for each in translated} == texts
    for text, said in translated.items():
        sources = [text] if isinstance(text, str) else list(text)
        for each in [said] if isinstance(said, str) else list(said or ()):
            assert each, text
            assert re.findall(r"%\(\w+\)s|<[^>]+>", each) == re.findall(r"%\(\w+\)s|<[^>]+>", sources[-1]), text
