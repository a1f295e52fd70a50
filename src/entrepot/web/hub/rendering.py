"""A page as HTML: its template, the frame around it, and the headers under which a browser may show it."""

import gzip
from functools import cache
from typing import Any, Final
from urllib.parse import quote, urlencode

import msgspec
from jinja2 import Environment, PackageLoader, StrictUndefined

from entrepot import __version__
from entrepot.web.hub import drawing
from entrepot.web.hub.assets import assets, takes_gzip
from entrepot.web.hub.face import Face
from entrepot.web.hub.visiting import Visitor, cookies
from entrepot.web.hub.words import LANGUAGES, Words, chosen, words
from entrepot.web.shared.authorization import service_of
from entrepot.web.shared.call import Answer, Call, Header

_POLICY: Final = (
    b"default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; "
    b"connect-src 'self'; frame-ancestors 'none'"
)
_SAFE: Final[tuple[Header, ...]] = (
    (b"content-type", b"text/html; charset=utf-8"),
    (b"content-security-policy", _POLICY),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"vary", b"accept, accept-language, accept-encoding, cookie"),
)
_ASKED_AGAIN: Final[Header] = (b"cache-control", b"private, no-cache")
_UNSTORED: Final[Header] = (b"cache-control", b"no-store")
_MOST_KEPT: Final = 20  # values of one name
_THEMES: Final = ("light", "dark")
_FILTERS: Final = ("who", "action", "image", "begins", "state", "before", "actor", "act", "namespace", "since", "until")
_KEPT: Final = (
    "after",
    "next",
    "of",
    "platform",
    "q",
    "kind",
    "arch",
    "os",
    "category",
    "age",
    "sort",
    "page",
    "from",
    "to",
    *_FILTERS,
)  # of the query, when only language or colours change
_A_YEAR_S: Final = 365 * 86_400
_WORTH_COMPRESSING: Final = 1_000
_LEVEL: Final = 5


class Frame(msgspec.Struct, frozen=True):
    """What stands around every page: the language, the colours, where we are, and by which name images are pulled from here."""

    words: Words
    theme: str
    path: str
    query: tuple[tuple[str, str], ...]
    host: str  # as images are named here
    scheme: str
    is_curated: bool  # there are accounts: names of one segment are given to official images alone, and people sign in
    place: tuple[str, str] = ("", "")  # scheme and host as browsers name them
    visitor: Visitor | None = None  # who is signed in
    may_set: bool = False  # they may change the image that the page is about
    remembered: tuple[tuple[str, str], ...] = ()  # cookies: what the address asks for
    face: Face = Face()  # the hub's own

    @classmethod
    def of(cls, call: Call, public_url: str, *, is_curated: bool) -> "Frame":
        """Read what the reader wants from the request. Raises QueryInvalid."""
        kept_here = cookies(call)
        language = chosen(call.one("lang"), kept_here.get("lang"), call.header(b"accept-language"))
        theme = call.one("theme") or kept_here.get("theme", "")
        scheme, host = service_of(call, public_url)
        theme = theme if theme in _THEMES else ""
        kept = tuple((name, value) for name in _KEPT for value in call.all(name)[:_MOST_KEPT])
        remembered = tuple(
            (name, value) for name, value in (("lang", language), ("theme", theme)) if value and call.one(name) == value
        )
        path = call.path.decode("ascii", "replace")
        return cls(
            words(language), theme, path, kept, _named(scheme, host), scheme, is_curated, (scheme, host), remembered=remembered
        )

    def but(self, **changed: str) -> str:
        """Return the query of this address with something else in it: where we are on a page stays as it is."""
        return "?" + urlencode([*((name, value) for name, value in self.query if name not in changed), *changed.items()])


def page(call: Call, frame: Frame, template: str, about: object, status: int = 200, *, stored: bool = True) -> Answer:
    """Return a page: `about` is what its template may show. What the address asks of language and colours is remembered.

    Without `stored` no browser and nothing between may keep it.
    """
    environment = _environment(frame.words.language)
    text = environment.get_template(template).render(page=about, frame=frame, words=frame.words, **_of_all())
    body = text.encode()
    headers = [*_SAFE, _ASKED_AGAIN if stored else _UNSTORED, (b"content-language", frame.words.language.encode())]
    for name, value in frame.remembered:
        headers.append((b"set-cookie", f"{name}={value}; Path=/; Max-Age={_A_YEAR_S}; SameSite=Lax".encode()))
    if len(body) > _WORTH_COMPRESSING and takes_gzip(call):
        body = gzip.compress(body, _LEVEL, mtime=0)
        headers.append((b"content-encoding", b"gzip"))
    return Answer(status, [*headers, (b"content-length", b"%d" % len(body))], body)


def fragment(frame: Frame, template: str, about: object) -> Answer:
    """Return a part of a page, which the script puts into one."""
    environment = _environment(frame.words.language)
    body = environment.get_template(template).render(page=about, frame=frame, words=frame.words, **_of_all()).encode()
    headers = [*_SAFE, _UNSTORED, (b"content-language", frame.words.language.encode()), (b"x-robots-tag", b"noindex")]
    return Answer(200, [*headers, (b"content-length", b"%d" % len(body))], body)


def to(address: str, *headers: Header) -> Answer:
    """Lead to another address of ours after a form, or to a form."""
    return Answer(303, [(b"location", address.encode()), (b"content-length", b"0"), (b"cache-control", b"no-store"), *headers])


@cache
def _environment(language: str) -> Environment:
    """Return the templates in one language; nothing that a page does not know is taken for nothing."""
    environment = Environment(
        loader=PackageLoader("entrepot.web.hub"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        extensions=["jinja2.ext.i18n"],
    )
    spoken = words(language)
    environment.install_gettext_callables(spoken.gettext, spoken.ngettext, newstyle=True)  # type: ignore[attr-defined]
    environment.filters["path"] = lambda text: quote(text, safe="/:@")
    environment.filters["number"] = spoken.number
    environment.filters["short"] = spoken.short
    environment.filters["brief"] = spoken.brief
    environment.filters["size"] = spoken.size
    environment.filters["age"] = spoken.age
    environment.filters["date"] = spoken.date
    environment.filters["instant"] = spoken.instant
    environment.filters["bars"] = drawing.bars
    environment.filters["mark"] = drawing.mark
    return environment


@cache
def _of_all() -> dict[str, Any]:
    return {"assets": assets(), "languages": LANGUAGES, "version": __version__}


def _named(scheme: str, host: str) -> str:
    """Return a host as container tools know that it is one: without a dot or a port they take it for a user of Docker Hub."""
    if "." in host or ":" in host or host == "localhost":
        return host
    return f"{host}:{443 if scheme == 'https' else 80}"
