"""Blob endpoints: distribution-spec 1.1, end-2 (GET, HEAD, with ranges of RFC 9110) and end-10 (DELETE)."""

from collections.abc import AsyncGenerator
from functools import lru_cache
from typing import Final

from entrepot.domain.registry.model import Link
from entrepot.domain.registry.service import Registry
from entrepot.spec.http.ranges import ByteRange, neighbours, parse_ranges
from entrepot.spec.oci.digest import Digest
from entrepot.spec.oci.names import RepositoryName
from entrepot.web.shared.call import Answer, Call, Header
from entrepot.web.v2.wire import NOTHING, SAFE, empty_answer, etags_match

_REMEMBERED: Final = 4096
# Parts that lie near each other are read in one go, with what is between them: a layer of many files has hundreds of them.
_READ_TOGETHER_BYTES: Final = 1 << 20
_TYPE: Final[Header] = (b"content-type", b"application/octet-stream")
# Opened in a browser, a blob is saved to a file and never shown; and no page of another site may use it as anything.
_ABOUT: Final[tuple[Header, ...]] = (
    (b"content-disposition", b"attachment"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"accept-ranges", b"bytes"),
    *SAFE,
)


async def get_blob(call: Call, registry: Registry, name: RepositoryName, last: str) -> Answer:
    """end-2: the blob's bytes, or the ranges of them that were asked for."""
    digest = Digest.parse(last)
    link = await registry.blobs.find(call.actor, name, digest)
    if _is_known(call, digest):
        return _not_modified(digest)
    elsewhere = registry.blobs.address(link)
    if elsewhere is not None:
        return Answer(307, [NOTHING, (b"location", elsewhere.encode()), *_identity(digest), *_ABOUT])
    # A weak tag or a date never holds here: parts are joined only with bytes that are certainly the same (RFC 9110, 13.1.5).
    if b"range" in call.headers and call.header(b"if-range") in ("", f'"{digest}"', str(digest)):
        ranges = parse_ranges(call.header(b"range"), link.size)
        if ranges is not None:
            return _partial(registry, link, digest, ranges)
    small = registry.blobs.at_hand(link)
    if small is None:
        small = await registry.blobs.fetch(link, digest)
    if small is not None:
        return Answer(200, _whole(digest, link.size), small)
    return Answer(200, _whole(digest, link.size), stream=registry.blobs.read(link, 0, link.size - 1))


async def head_blob(call: Call, registry: Registry, name: RepositoryName, last: str) -> Answer:
    """end-2 without the body; a blob that a client was told of stays for as long as a push may take."""
    digest = Digest.parse(last)
    link = await registry.blobs.check(call.actor, name, digest)
    if _is_known(call, digest):
        return _not_modified(digest)
    return Answer(200, _whole(digest, link.size))


async def delete_blob(call: Call, registry: Registry, name: RepositoryName, last: str) -> Answer:
    """end-10: take a blob that no manifest names away from the repository."""
    await registry.blobs.delete(call.acting, name, Digest.parse(last))
    return empty_answer(202)


@lru_cache(maxsize=_REMEMBERED)
def _whole(digest: Digest, size: int) -> list[Header]:
    """Return the headers of a whole answer; the last few thousand are remembered."""
    return [_TYPE, _length(size), *_identity(digest), *_ABOUT]


def _is_known(call: Call, digest: Digest) -> bool:
    wanted = call.headers.get(b"if-none-match")
    return wanted is not None and etags_match(wanted.decode("latin-1"), str(digest))


def _not_modified(digest: Digest) -> Answer:
    return Answer(304, [*_identity(digest), *_ABOUT])


def _identity(digest: Digest) -> tuple[Header, Header]:
    text = str(digest).encode()
    return (b"docker-content-digest", text), (b"etag", b'"%b"' % text)


def _length(size: int) -> Header:
    return (b"content-length", b"%d" % size)


def _partial(registry: Registry, link: Link, digest: Digest, ranges: list[ByteRange]) -> Answer:
    """Answer 206: one range as it is, several as multipart/byteranges (RFC 9110, 14.6), which podman's partial pulls ask for."""
    if len(ranges) == 1:
        only = ranges[0]
        headers = [_TYPE, _length(only.size), (b"content-range", _content_range(only, link.size)), *_identity(digest), *_ABOUT]
        return Answer(206, headers, stream=registry.blobs.read(link, only.first, only.last))
    boundary = digest.hex[:32].encode()  # cannot be guessed into a blob by its author, whose change would change it
    heads = {part.first: _part_head(boundary, part, link.size) for part in ranges}  # no two of them overlap
    end = b"\r\n--%b--\r\n" % boundary
    size = sum(len(head) for head in heads.values()) + sum(part.size for part in ranges) + len(end)
    kind = (b"content-type", b"multipart/byteranges; boundary=%b" % boundary)

    async def parts() -> AsyncGenerator[bytes, None]:
        for group in neighbours(ranges, _READ_TOGETHER_BYTES):
            first, last = group[0].first, group[-1].last
            pieces = registry.blobs.read(link, first, last)
            if len(group) > 1:
                span = b"".join([piece async for piece in pieces])
                yield b"".join(heads[part.first] + span[part.first - first : part.last + 1 - first] for part in group)
                continue
            yield heads[first]
            async for piece in pieces:
                yield piece
        yield end

    return Answer(206, [kind, _length(size), *_identity(digest), *_ABOUT], stream=parts())


def _content_range(part: ByteRange, size: int) -> bytes:
    return b"bytes %d-%d/%d" % (part.first, part.last, size)


def _part_head(boundary: bytes, part: ByteRange, size: int) -> bytes:
    return b"\r\n--%b\r\nContent-Type: application/octet-stream\r\nContent-Range: %b\r\n\r\n" % (
        boundary,
        _content_range(part, size),
    )
