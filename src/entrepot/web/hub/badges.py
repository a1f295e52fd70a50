"""Badges to be shown elsewhere: a fact about a public image as a small picture."""

from typing import Final

from markupsafe import escape

from entrepot.web.shared.call import Answer, Header

_LETTER: Final = 6.6  # width of a figure or small letter in the font below, about
_AROUND: Final = 14
_HEIGHT: Final = 20
_MOST: Final = 40
_HEADERS: Final[tuple[Header, ...]] = (
    (b"content-type", b"image/svg+xml; charset=utf-8"),
    (b"cache-control", b"public, max-age=300"),
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; style-src 'unsafe-inline'; sandbox"),
    (b"cross-origin-resource-policy", b"cross-origin"),
)


def badge(label: str, value: str) -> Answer:
    """Return a picture that says a value; both texts may come from anybody."""
    label, value = label[:_MOST], value[:_MOST]
    first, second = (round(len(text) * _LETTER) + _AROUND for text in (label, value))
    width = first + second
    said = escape(f"{label}: {value}")
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{_HEIGHT}" role="img" aria-label="{said}">',
        f'<title>{said}</title><rect width="{width}" height="{_HEIGHT}" rx="2" fill="#16191c"/>',
        f'<path d="M{first} 0h{second - 2}a2 2 0 0 1 2 2v16a2 2 0 0 1-2 2h-{second - 2}z" fill="#1f4396"/>',
        '<g fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11" text-anchor="middle">',
        f'<text x="{first / 2}" y="14">{escape(label)}</text>',
        f'<text x="{first + second / 2}" y="14">{escape(value)}</text></g></svg>',
    ]
    body = "".join(parts).encode()
    return Answer(200, [*_HEADERS, (b"content-length", b"%d" % len(body))], body)
