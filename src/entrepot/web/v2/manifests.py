"""Manifest endpoints: distribution-spec 1.1, end-3 (GET, HEAD), end-7 (PUT, with several tags as in the coming 1.2) and end-9."""

from functools import lru_cache
from typing import Final

from entrepot.domain.access.errors import Renamed
from entrepot.domain.registry.service import Registry
from entrepot.domain.registry.service.reading import read_manifest
from entrepot.spec.oci.digest import SHA256, Digest
from entrepot.spec.oci.manifest import MAX_MANIFEST_BYTES
from entrepot.spec.oci.names import RepositoryName, parse_reference, parse_tag
from entrepot.web.shared.call import Answer, Call, Header
from entrepot.web.v2.pulls import is_pull
from entrepot.web.v2.requests import TooManyTags
from entrepot.web.v2.wire import SAFE, empty_answer, etags_match, location

MAX_TAGS: Final = 100
_REMEMBERED: Final = 16384  # about as many manifests as are recalled (platform/db/sqlite.py)


async def get_manifest(call: Call, registry: Registry, name: RepositoryName, last: str) -> Answer:
    """end-3: the manifest's bytes as they were pushed, whatever Accept says."""
    found = await registry.manifests.find(call.actor, name, parse_reference(last))
    wanted = call.headers.get(b"if-none-match")
    if wanted is not None and etags_match(wanted.decode("latin-1"), found.digest):
        return Answer(304, [*_about(found.digest, found.media_type), *SAFE])
    call.pulled = found.digest if call.method == "GET" and is_pull(found, last) else ""
    return Answer(200, _headers(found.digest, found.media_type, found.size), found.content)


async def put_manifest(call: Call, registry: Registry, name: RepositoryName, last: str) -> Answer:
    """end-7a and end-7b: store a manifest under its digest, a tag, or a digest and several tags."""
    reference = parse_reference(last)
    tags = [parse_tag(tag) for tag in call.all("tag")]
    if len(tags) > MAX_TAGS:
        raise TooManyTags(count=len(tags), limit=MAX_TAGS)
    asked = reference if isinstance(reference, Digest) else None
    await registry.manifests.require_room(call.actor, name, min(call.content_length or 0, MAX_MANIFEST_BYTES))
    content = await call.body(at_most=MAX_MANIFEST_BYTES)
    manifest = await read_manifest(call.header(b"content-type"), content, asked.algorithm if asked else SHA256)
    names = tags if isinstance(reference, Digest) else [reference, *tags]
    try:
        pushed = await registry.manifests.push(call.actor, name, manifest, asked, names)
    except Renamed as renamed:  # since its room was asked for; the body is read only once
        pushed = await registry.manifests.push(call.actor, renamed.name, manifest, asked, names)
    headers = [location(name, "manifests", pushed.digest), (b"docker-content-digest", pushed.digest.encode())]
    if pushed.subject is not None:
        headers.append((b"oci-subject", pushed.subject.encode()))
    if tags:
        # One line for all: some clients refuse an answer of more than a hundred lines.
        headers.append((b"oci-tag", ", ".join(dict.fromkeys(tags)).encode()))
    return empty_answer(201, *headers)


async def delete_manifest(call: Call, registry: Registry, name: RepositoryName, last: str) -> Answer:
    """end-9: delete a tag alone, or a manifest with all tags on it."""
    reference = parse_reference(last)
    if isinstance(reference, Digest):
        await registry.manifests.delete(call.acting, name, reference)
    else:
        await registry.tags.delete(call.acting, name, reference)
    return empty_answer(202)


@lru_cache(maxsize=_REMEMBERED)
def _headers(digest: str, media_type: str, size: int) -> list[Header]:
    """Return the headers of a whole answer; the last few thousand are remembered, since pulls ask for the same manifests."""
    return [*_about(digest, media_type), (b"content-length", b"%d" % size), *SAFE]


def _about(digest: str, media_type: str) -> list[Header]:
    text = digest.encode()
    return [(b"content-type", media_type.encode()), (b"docker-content-digest", text), (b"etag", b'"%b"' % text)]
