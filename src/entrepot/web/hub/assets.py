"""What pages load: one style sheet, one script, one picture. Each lies at an address that has the hash of its bytes in it.

So browsers may keep them for ever, and have the new ones with the first page after an upgrade.
"""

import gzip
import hashlib
from functools import cache
from pathlib import Path
from typing import Final

import msgspec

from entrepot.web.shared.call import Answer, Call, Header

PREFIX: Final = b"/static/"
_FOLDER: Final = Path(__file__).parent / "static"
_JOINED: Final = {
    "entrepot.css": ("text/css; charset=utf-8", ("tokens.css", "base.css", "components.css", "hub.css")),
    "entrepot.js": ("text/javascript; charset=utf-8", ("entrepot.js",)),
    "favicon.svg": ("image/svg+xml", ("favicon.svg",)),
}
_HASH_LENGTH: Final = 12


class Asset(msgspec.Struct, frozen=True):
    """A file as it is sent: its address, and its bytes plain and compressed."""

    address: str
    media_type: str
    plain: bytes
    compressed: bytes


@cache
def assets() -> dict[str, Asset]:
    """Return all files by name; they are read once."""
    found = {}
    for name, (media_type, parts) in _JOINED.items():
        content = b"\n".join((_FOLDER / part).read_bytes() for part in parts)
        digest = hashlib.sha256(content).hexdigest()[:_HASH_LENGTH]
        found[name] = Asset(f"/static/{digest}/{name}", media_type, content, gzip.compress(content, 9, mtime=0))
    return found


def takes_gzip(call: Call) -> bool:
    """Tell whether the answer may be compressed (RFC 9110, 12.5.3)."""
    accepted = call.header(b"accept-encoding").replace(" ", "")
    return "gzip" in accepted and "gzip;q=0," not in f"{accepted},"


def answer(call: Call) -> Answer | None:
    """Return the file at an address, or None."""
    path = call.path.decode("ascii", "replace")
    found = next((each for each in assets().values() if each.address == path), None)
    if found is None:
        return None
    headers: list[Header] = [
        (b"content-type", found.media_type.encode()),
        (b"cache-control", b"public, max-age=31536000, immutable"),
        (b"vary", b"accept-encoding"),
        (b"x-content-type-options", b"nosniff"),
        # The picture is a document of its own when somebody opens it.
        (b"content-security-policy", b"default-src 'none'; style-src 'unsafe-inline'; sandbox"),
    ]
    body = found.plain
    if takes_gzip(call):
        body = found.compressed
        headers.append((b"content-encoding", b"gzip"))
    return Answer(200, [*headers, (b"content-length", b"%d" % len(body))], body)
