"""The hub's own face: its name, its logo, the colour of what can be clicked, and the texts that its owner shows."""

import hashlib
from collections.abc import Mapping
from functools import cached_property
from typing import Final

import msgspec
from markupsafe import Markup

from entrepot.base.colours import Accent
from entrepot.web.hub.readme import rendered
from entrepot.web.shared.call import Answer, Call, Header

OURS: Final = "Entrepot"
DOCUMENTS: Final = ("legal", "terms", "privacy")
ROBOTS: Final = "/robots.txt"
_HASH_LENGTH: Final = 12
# What is nobody's page: forms, what is somebody's own, lists that are made anew for each question, and programs' interfaces.
_OF_PEOPLE: Final = ("/me", "/orgs/", "/admin", "/accounts/", "/sign-in", "/sign-up")
_UNINDEXED: Final = ("/search", *_OF_PEOPLE, "/r/*/-/report", "/api/", "/v1/", "/v2/")


class Logo(msgspec.Struct, frozen=True):
    """A picture, and what it is."""

    content: bytes
    media_type: str
    width: int
    height: int


class Face(msgspec.Struct, frozen=True, dict=True):
    """What stands on every page; a `closed` hub shows nothing to who has not signed in, or is nobody else's business."""

    name: str = OURS
    closed: bool = False
    logo: Logo | None = None
    accent: Accent | None = None
    texts: Mapping[str, str] = {}

    @cached_property
    def documents(self) -> Mapping[str, Markup]:
        """The texts as HTML, by the word of their address."""
        return {name: rendered(text) for name, text in self.texts.items()}

    @cached_property
    def style(self) -> str:
        """The address of the style sheet with the accent's colours; '' where there is none."""
        return f"/static/{_hash(self._sheet)}/accent.css" if self.accent else ""

    @cached_property
    def picture(self) -> str:
        """The address of the logo; '' where there is none."""
        return f"/static/{_hash(self.logo.content)}/logo" if self.logo else ""

    @cached_property
    def _sheet(self) -> bytes:
        if self.accent is None:
            return b""
        names = {"": self.accent.plain, "-strong": self.accent.strong, "-soft": self.accent.soft}
        rules = [f"--bleu{name}: light-dark({light}, {dark});" for name, (light, dark) in names.items()]
        light, dark = self.accent.on
        return f":root {{ {' '.join(rules)} --on-bleu: light-dark({light}, {dark}); }}\n".encode()

    def answer(self, call: Call) -> Answer | None:
        """Return the style sheet, the logo or robots.txt at an address, or None."""
        path = call.path.decode("ascii", "replace")
        if path == ROBOTS:
            return _file(self._robots(), b"text/plain; charset=utf-8", b"public, max-age=3600")
        kept = b"public, max-age=31536000, immutable"
        if self.style and path == self.style:
            return _file(self._sheet, b"text/css; charset=utf-8", kept)
        if self.logo is not None and path == self.picture:
            return _file(self.logo.content, self.logo.media_type.encode(), kept)
        return None

    def _robots(self) -> bytes:
        places = ("/",) if self.closed else _UNINDEXED
        return "\n".join(["User-agent: *", *(f"Disallow: {place}" for place in places), ""]).encode()


def _file(content: bytes, media_type: bytes, kept: bytes) -> Answer:
    headers: list[Header] = [
        (b"content-type", media_type),
        (b"cache-control", kept),
        (b"x-content-type-options", b"nosniff"),
        (b"content-security-policy", b"default-src 'none'; sandbox"),
        (b"content-length", b"%d" % len(content)),
    ]
    return Answer(200, headers, content)


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:_HASH_LENGTH]
