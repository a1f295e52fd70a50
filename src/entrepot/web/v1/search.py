"""`/v1/_ping` and `/v1/search`, as Docker's daemon (moby, daemon/pkg/registry) and podman (containers/image) ask them.

What is asked for behind the filters of `docker search` is chosen by the daemon itself, from the answer.
"""

from typing import Final, Protocol

import msgspec

from entrepot.domain.search.service.searching import Searching
from entrepot.spec.oci.names import LIBRARY
from entrepot.web.shared.call import Answer, Call, Header

_PING: Final = b"/v1/_ping"
_SEARCH: Final = b"/v1/search"
_NOBODY: Final = b"basic og=="  # an empty name and secret, which the daemon sends when nobody is signed in
_MOST: Final = 100
_USUAL: Final = 25
_DEEPEST: Final = 400  # pages
_SAFE: Final[tuple[Header, ...]] = (
    (b"content-type", b"application/json"),
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
)
_encode: Final = msgspec.json.Encoder().encode


class Gate(Protocol):
    """Decides who may talk to us."""

    async def check(self, call: Call) -> None:
        """Raise an EntrepotError when the request may not come in; note in the call who sends it."""


class SearchService:
    """Answers what lies below /v1/."""

    def __init__(self, gate: Gate, searching: Searching) -> None:
        self._gate = gate
        self._searching = searching

    async def answer(self, call: Call) -> Answer:
        """Answer a request. Raises what the gate raises, Unproven, Unavailable."""
        if call.headers.get(b"authorization", b"").lower() == _NOBODY:
            del call.headers[b"authorization"]
        await self._gate.check(call)
        if call.path == _PING:
            return _json(200, {"standalone": True}, (b"x-docker-registry-standalone", b"true"))
        if call.path != _SEARCH or call.method not in ("GET", "HEAD"):
            return _json(404, {"message": "there is nothing here but /v1/_ping and /v1/search: the registry is at /v2/"})
        size = _number(call.one("n"), _USUAL, _MOST)
        page = _number(call.one("page"), 1, _DEEPEST)
        typed = call.one("q") or ""
        found = await self._searching.find(call.actor, typed, first=(page - 1) * size, most=size)
        results = [
            {
                "name": hit.listed.name.removeprefix(f"{LIBRARY}/"),
                "description": hit.listed.description,
                "star_count": hit.shelved.stars,
                "is_official": hit.listed.name.startswith(f"{LIBRARY}/"),
                "is_automated": False,
                "is_trusted": False,
            }
            for hit in found.hits
        ]
        pages = -(-found.count // size)
        about = {"query": typed, "num_results": found.count, "num_pages": pages, "page": page, "page_size": size}
        return _json(200, {**about, "results": results})


def _number(text: str | None, usual: int, most: int) -> int:
    """Return a number from 1; what is none is the usual one, as clients expect of this interface."""
    if not text or not text.isascii() or not text.isdecimal() or len(text) > len(str(most)) + 1:
        return usual
    return min(max(int(text), 1), most)


def _json(status: int, value: object, *headers: Header) -> Answer:
    body = _encode(value)
    return Answer(status, [*_SAFE, (b"content-length", b"%d" % len(body)), *headers], body)
