"""The hub's face read from its files: a logo and texts, each bounded, before anything is served."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from entrepot.base.errors import EntrepotError
from entrepot.base.pictures import Picture, PictureUnknown, sniffed
from entrepot.base.settings import Settings, option

if TYPE_CHECKING:
    from entrepot.web.hub.face import Face

_log: Final = logging.getLogger(__name__)
_TEXTS: Final = {"legal_notice": "legal", "terms": "terms", "privacy": "privacy"}
_LARGEST_LOGO: Final = 256 << 10
_LARGEST_TEXT: Final = 100 << 10
_MOST_PIXELS: Final = 2000


class FaceUnusable(EntrepotError):
    """A file of the hub's face cannot be shown."""

    summary = "--{setting} is {path}, which cannot be used: {reason}"


class Files(NamedTuple):
    """What the files have: texts by the word of their address."""

    logo: bytes
    picture: Picture | None
    texts: dict[str, str]


def read_files(settings: Settings) -> Files:
    """Read the files that the settings name. Raises FaceUnusable."""
    texts = {word: _text(settings, name) for name, word in _TEXTS.items() if getattr(settings, name)}
    if not settings.hub_logo:
        return Files(b"", None, texts)
    content = _read(settings, "hub_logo", _LARGEST_LOGO)
    try:
        picture = sniffed(content)
    except PictureUnknown as error:
        raise _unusable(settings, "hub_logo", f"{error}; SVG is not shown, because it can have scripts") from None
    if max(picture.width, picture.height) > _MOST_PIXELS:
        raise _unusable(settings, "hub_logo", f"it is {picture.width} × {picture.height} pixels, and {_MOST_PIXELS} are the most")  # noqa: RUF001 - the sign of a size
    return Files(content, picture, texts)


def face(settings: Settings) -> "Face":
    """Return what stands on every page; of files that went away since the start nothing is shown, and the log says so."""
    from entrepot.base.colours import accent  # noqa: PLC0415 - with the first page: pulls do not wait for it
    from entrepot.web.hub.face import OURS, Face, Logo  # noqa: PLC0415

    try:
        files = read_files(settings)
    except FaceUnusable as error:
        _log.warning("face_incomplete", extra={"reason": error.message})
        files = Files(b"", None, {})
    logo = Logo(files.logo, *files.picture) if files.picture else None
    return Face(
        name=settings.hub_name or OURS,
        closed=settings.access == "open" or settings.anonymous == "none",
        logo=logo,
        accent=accent(settings.accent) if settings.accent else None,
        texts=files.texts,
    )


def _text(settings: Settings, name: str) -> str:
    try:
        return _read(settings, name, _LARGEST_TEXT).decode("utf-8")
    except UnicodeDecodeError:
        raise _unusable(settings, name, "it is not UTF-8") from None


def _read(settings: Settings, name: str, at_most: int) -> bytes:
    try:
        with Path(getattr(settings, name)).open("rb") as opened:
            content = opened.read(at_most + 1)
    except OSError as error:
        raise _unusable(settings, name, error.strerror or "it cannot be read") from None
    if not content or len(content) > at_most:
        raise _unusable(settings, name, f"it has more than {at_most >> 10} KiB" if content else "it is empty")
    return content


def _unusable(settings: Settings, name: str, reason: str) -> FaceUnusable:
    return FaceUnusable(setting=option(name), path=getattr(settings, name), reason=reason)
