"""Upload endpoints of distribution-spec 1.1: end-4 (POST), end-5 (PATCH), end-6 (PUT), end-11 (mount) and end-13 (GET).

end-14 (DELETE) is of the specification's main branch, which becomes 1.2.
"""

from contextlib import suppress

from entrepot.domain.registry.model import Upload
from entrepot.domain.registry.service import Registry
from entrepot.domain.registry.service.uploads import Body
from entrepot.spec.oci.chunks import Chunk
from entrepot.spec.oci.digest import SHA256, Digest, parse_algorithm
from entrepot.spec.oci.names import NameInvalid, RepositoryName
from entrepot.web.shared.call import Answer, Call, Header
from entrepot.web.v2.wire import empty_answer, location


async def post_upload(call: Call, registry: Registry, name: RepositoryName, _last: str) -> Answer:
    """end-4a, end-4b, end-4c and end-11: begin an upload, do a whole one, or mount a blob of another repository."""
    mount = call.one("mount")
    if mount:
        digest = Digest.parse(mount)
        with suppress(NameInvalid):  # nothing can be mounted from what is no repository: the client uploads then
            source = call.one("from")
            if await registry.uploads.mount(call.actor, name, digest, RepositoryName.parse(source) if source else None):
                return _created(name, digest)
    whole = call.one("digest")
    if whole and not mount:
        digest = Digest.parse(whole)
        size = call.content_length or 0
        upload = await registry.uploads.start(call.actor, name, digest.algorithm, call.client_network, size_bytes=size)
        await registry.uploads.finish_whole(call.actor, name, upload.id, digest, _body(call))
        return _created(name, digest)
    algorithm = parse_algorithm(call.one("digest-algorithm") or SHA256)
    upload = await registry.uploads.start(call.actor, name, algorithm, call.client_network)
    return _progress(202, name, upload)


async def patch_upload(call: Call, registry: Registry, name: RepositoryName, last: str) -> Answer:
    """end-5: add bytes, in order; without a Content-Range they follow what is there."""
    received = await registry.uploads.append(call.actor, name, last, _body(call))
    return empty_answer(202, *_place(name, last, received))


async def put_upload(call: Call, registry: Registry, name: RepositoryName, last: str) -> Answer:
    """end-6: add the last bytes, if any, and make the whole a blob. Without a digest the upload stays as it is."""
    digest = Digest.parse(call.one("digest") or "")
    await registry.uploads.finish(call.actor, name, last, digest, _body(call))
    return _created(name, digest)


async def get_upload(call: Call, registry: Registry, name: RepositoryName, last: str) -> Answer:
    """end-13: how much of the upload is durable."""
    return _progress(204, name, await registry.uploads.status(call.actor, name, last))


async def delete_upload(call: Call, registry: Registry, name: RepositoryName, last: str) -> Answer:
    """end-14: cancel."""
    await registry.uploads.cancel(call.actor, name, last)
    return empty_answer(204)


def _body(call: Call) -> Body:
    content_range = call.headers.get(b"content-range")
    range_ = Chunk.parse(content_range.decode("latin-1"), call.content_length) if content_range is not None else None
    return Body(call.chunks(), range_, call.content_length)


def _created(name: RepositoryName, digest: Digest) -> Answer:
    return empty_answer(201, location(name, "blobs", str(digest)), (b"docker-content-digest", str(digest).encode()))


def _progress(status: int, name: RepositoryName, upload: Upload) -> Answer:
    return empty_answer(status, *_place(name, upload.id, upload.received))


def _place(name: RepositoryName, id_: str, received: int) -> list[Header]:
    # Docker's client cannot read "0--1": nothing is told as 0-0, as Distribution does.
    return [
        location(name, "blobs/uploads", id_),
        (b"range", f"0-{max(received - 1, 0)}".encode()),
        (b"docker-upload-uuid", id_.encode()),
    ]
