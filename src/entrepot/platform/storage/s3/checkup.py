"""What `entrepot doctor` says about a bucket: whether all that a registry does there works, with these credentials, from here."""

from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, Final

from entrepot.base.bucket import Bucket
from entrepot.base.errors import EntrepotError
from entrepot.base.findings import Finding, error, ok, warning
from entrepot.base.ids import new_token
from entrepot.platform.storage.driver import ObjectLost
from entrepot.platform.storage.s3.answers import field
from entrepot.platform.storage.s3.calls import Call, Calls
from entrepot.platform.storage.s3.objects import Objects
from entrepot.platform.storage.s3.reading import read

_CONTENT: Final = b"written by entrepot doctor, and deleted by it\n"
_CHECK: Final = "bucket"
_MOST_CLOCK_S: Final = 60.0
_REFUSED: Final = 403
_MISSING: Final = 404
_OK: Final = 200
_VALID_S: Final = 60
_RIGHTS: Final = (
    "the credentials need s3:GetObject, PutObject, DeleteObject, AbortMultipartUpload below the prefix, and s3:ListBucket and "
    "ListBucketMultipartUploads for the bucket"
)


async def examine_bucket(bucket: Bucket) -> list[Finding]:
    """Look at the bucket; what is written for that is deleted again."""
    try:
        calls = Calls(bucket)
    except EntrepotError as refused:
        return [error(_CHECK, refused.message, "give this command the environment of the service")]
    try:
        return [finding async for finding in _findings(Objects(calls), f"doctor/{new_token()}")]
    finally:
        await calls.close()


async def _findings(objects: Objects, key: str) -> AsyncIterator[Finding]:
    reached = await _reached(objects)
    yield reached
    if reached.verdict != "ok":
        return
    for what, step in _steps(objects, key).items():
        try:
            works = await step()
        except EntrepotError as failed:
            yield error(_CHECK, f"it cannot {what}: {failed.message}", _RIGHTS)
            return
        if not works:
            yield error(_CHECK, f"it cannot {what}: what was written is not what is there", "ask whoever runs the store")
            return
    yield ok(_CHECK, f"it writes, reads, lists and deletes at {objects.calls.bucket.told}")
    yield await _clock(objects)
    if await _keeps_versions(objects):
        told = "it keeps versions: what is deleted takes up room as before"
        yield warning(_CHECK, told, "turn versioning off, or let a lifecycle rule delete versions that are not current")
    if objects.calls.bucket.redirects:
        yield await _redirects(objects, key)


async def _reached(objects: Objects) -> Finding:
    bucket = objects.calls.bucket
    where = bucket.endpoint or "Amazon S3"
    try:
        answer = await objects.calls.send(Call("HEAD", expected=(_OK, 301, 400, _REFUSED, _MISSING)))
    except EntrepotError:
        return error(_CHECK, f"{where} does not answer", "correct endpoint= in --storage, or start the store")
    if answer.status == _OK:
        return ok(_CHECK, f"{where} answers, and has the bucket {bucket.name}")
    if answer.status == _MISSING:
        return error(_CHECK, f"{where} has no bucket {bucket.name}", "make it, or add create=true to --storage")
    if answer.status == _REFUSED:
        return error(_CHECK, f"{where} refuses the credentials, or keeps them from the bucket {bucket.name}", _RIGHTS)
    return error(_CHECK, f"{where} does not understand the request", "look at endpoint=, region= and style= in --storage")


def _steps(objects: Objects, key: str) -> dict[str, Callable[[], Coroutine[Any, Any, bool]]]:
    """Return what is tried, in this order."""

    async def write() -> bool:
        await objects.put(key, [_CONTENT])
        return True

    async def fetch() -> bool:
        try:
            return b"".join([piece async for piece in read(objects, key, 0, len(_CONTENT) - 1)]) == _CONTENT
        except ObjectLost:
            return False

    async def tell() -> bool:
        return [found.key async for found in objects.listed(key)] == [key]

    async def parts() -> bool:
        upload = await objects.begin(f"{key}-parts")
        etag = (await objects.put_part(f"{key}-parts", upload, 1, [_CONTENT])).etag
        listed = [found.upload async for found in objects.listed_uploads(f"{key}-parts")]
        done = etag is not None and await objects.complete(f"{key}-parts", upload, [(1, etag)])
        await objects.delete(f"{key}-parts")
        return done and listed == [upload]

    async def abort() -> bool:
        upload = await objects.begin(f"{key}-parts")
        await objects.abort(f"{key}-parts", upload)
        return True

    async def delete() -> bool:
        await objects.delete(key)
        return [found async for found in objects.listed(key)] == []

    return {
        "write an object": write,
        "read an object": fetch,
        "list objects": tell,
        "store an object in parts": parts,
        "abort a multipart upload": abort,
        "delete an object": delete,
    }


async def _clock(objects: Objects) -> Finding:
    ahead_s = await objects.calls.clock_difference_s()
    if ahead_s is None:
        return warning("bucket's clock", "the store does not say what time it has", "make sure that both clocks are right")
    told = f"the store's clock is {abs(ahead_s):,.0f} s {'ahead of' if ahead_s > 0 else 'behind'} this machine's"
    if abs(ahead_s) > _MOST_CLOCK_S:
        return warning("bucket's clock", told, "let this machine's clock be set over the network (NTP)")
    return ok("bucket's clock", told)


async def _keeps_versions(objects: Objects) -> bool:
    """Ask for the bucket's versioning, which the credentials may not be allowed to see."""
    answer = await objects.calls.send(Call("GET", "", (("versioning", ""),), expected=(_OK, 400, _REFUSED, _MISSING, 501)))
    return answer.status == _OK and field(answer.body, "Status") == "Enabled"


async def _redirects(objects: Objects, key: str) -> Finding:
    """Get an object from where clients are sent for one."""
    bucket = objects.calls.bucket
    where = bucket.public_endpoint or bucket.endpoint or "Amazon S3"
    await objects.put(key, [_CONTENT])
    status = await objects.calls.fetched(objects.calls.address(Call("GET", objects.whole(key)), _VALID_S))
    await objects.delete(key)
    if status == _OK:
        return ok("redirects", f"clients get large blobs from {where}")
    answers = f"answers {status}" if status else "does not answer"
    told = f"{where}, where clients are sent for large blobs, {answers} to this machine"
    return error("redirects", told, "correct public_endpoint= in --storage, or add redirect=off")
