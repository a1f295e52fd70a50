"""What pages say in the reader's language: texts by gettext, and numbers, sizes, dates and ages as the language writes them."""

import io
import re
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Final

from babel import Locale
from babel.dates import format_date, format_datetime, format_timedelta
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_compact_decimal, format_decimal
from babel.support import Translations
from markupsafe import Markup

from entrepot.base.clock import now_us

ENGLISH: Final = "en"
LANGUAGES: Final = {ENGLISH: "English", "fr": "Français"}
_CATALOGUES: Final = Path(__file__).parent / "locale"
_LOCALES: Final = {ENGLISH: "en", "fr": "fr"}
_DATES: Final = {ENGLISH: "en_GB", "fr": "fr"}  # 11 Mar 2026, and not Mar 11, 2026
_UNITS: Final = {ENGLISH: ("B", "kB", "MB", "GB", "TB", "PB"), "fr": ("o", "ko", "Mo", "Go", "To", "Po")}
_SPACE: Final = "\N{NO-BREAK SPACE}"
_SHORT_FROM: Final = 10_000
_TEN: Final = 10
_HUNDRED: Final = 100
_THOUSAND: Final = 1000
_DAY_S: Final = 86_400
_OLD_S: Final = 2 * 365 * _DAY_S  # from there on an age says less than the date
_QUALITY: Final = re.compile(r"\s*([A-Za-z]{1,8})(?:-[A-Za-z0-9-]*)?\s*(?:;\s*q=([01](?:\.\d{0,3})?))?\s*")


def chosen(asked: str | None, remembered: str | None, accepted: str) -> str:
    """Return the language of a page: what the address asks for, else what the reader chose before, else what the browser wants.

    `accepted` is the header Accept-Language (RFC 9110, 12.5.4).
    """
    for each in (asked, remembered):
        if each in LANGUAGES:
            return str(each)
    best, language = 0.0, ENGLISH
    for entry in accepted[:500].split(","):
        found = _QUALITY.fullmatch(entry)
        if found and found[1].lower() in LANGUAGES and float(found[2] or 1) > best:
            best, language = float(found[2] or 1), found[1].lower()
    return language


class Words:
    """One language: `gettext` and `ngettext` are those of its catalogue, English is what the templates say."""

    def __init__(self, language: str) -> None:
        self.language = language
        self._locale = Locale.parse(_LOCALES[language])
        self._dates = Locale.parse(_DATES[language])
        texts = _catalogue(language)
        self.gettext = texts.ugettext
        self.ngettext = texts.ungettext

    def number(self, number: int) -> str:
        """Return a number with its thousands set apart."""
        return format_decimal(number, locale=self._locale)

    def brief(self, number: int) -> str:
        """Return a number in as few characters as tell its size."""
        if number < _SHORT_FROM:
            return self.number(number)
        return format_compact_decimal(number, format_type="short", locale=self._locale, fraction_digits=1).replace("K", "k")

    def short(self, number: int) -> Markup:
        """Return a number in as few characters as tell its size; the exact one is in the title."""
        exact = self.number(number)
        if number < _SHORT_FROM:
            return Markup("{}").format(exact)
        return Markup('<span title="{}">{}</span>').format(exact, self.brief(number))

    def size(self, size_bytes: int) -> str:
        """Return a size in powers of ten, as registries and disks are sold."""
        value, power = float(size_bytes), 0
        units = _UNITS[self.language]
        while round(value) >= _THOUSAND and power < len(units) - 1:
            value, power = value / _THOUSAND, power + 1
        digits = 1 if power and value < _HUNDRED else 0
        return f"{format_decimal(round(value, digits), locale=self._locale)}{_SPACE}{units[power]}"

    def date(self, at_us: int) -> str:
        """Return a day in UTC."""
        written = format_date(_moment(at_us), "d MMM y", locale=self._dates)
        return re.sub(r"^1 ", "1er ", written) if self.language == "fr" else written

    def instant(self, at_us: int) -> Markup:
        """Return a moment of a day, in UTC."""
        moment = _moment(at_us)
        text = format_datetime(moment, "d MMM y, HH:mm:ss", locale=self._dates)
        return Markup('<time datetime="{}">{}</time>').format(moment.isoformat(timespec="seconds"), text)

    def age(self, at_us: int) -> Markup:
        """Return how long ago something was, or after two years its day; the exact moment is in the title."""
        moment = _moment(at_us)
        ago_s = (now_us() - at_us) / 1e6
        if ago_s > _OLD_S:
            text = self.date(at_us)
        elif ago_s < _DAY_S and moment.date() == _moment(now_us()).date():
            text = self.gettext("today")
        else:
            text = format_timedelta(moment - _moment(now_us()), add_direction=True, locale=self._dates)
        exact = format_datetime(moment, "d MMM y, HH:mm", locale=self._dates) + " UTC"
        return Markup('<time datetime="{}" title="{}">{}</time>').format(moment.isoformat(timespec="seconds"), exact, text)


@cache
def words(language: str) -> Words:
    """Return a language of `LANGUAGES`; each is read once."""
    return Words(language)


def _moment(at_us: int) -> datetime:
    return datetime.fromtimestamp(at_us / 1e6, UTC)


def _catalogue(language: str) -> Translations:
    if language == ENGLISH:
        return Translations()
    with (_CATALOGUES / f"{language}.po").open("rb") as opened:
        catalogue = read_po(opened, locale=language)
    compiled = io.BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    return Translations(compiled)
