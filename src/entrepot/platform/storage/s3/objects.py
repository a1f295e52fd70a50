"""What is done to a bucket: one function for one call of S3, with keys as the driver knows them, behind the bucket's prefix."""

import asyncio
import hashlib
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Sequence
from typing import Final

import msgspec

from entrepot.platform.storage.driver import StorageUnavailable
from entrepot.platform.storage.s3.answers import Answer, BucketAway, Listed, completion, field, location, objects, uploads
from entrepot.platform.storage.s3.calls import Call, Calls

BLOBS: Final = "blobs/"
QUARANTINE: Final = "quarantine/"
MARK: Final = "entrepot.json"
_OCTETS: Final = {"content-type": "application/octet-stream"}
_SMALL_BYTES: Final = 64 << 10
_PAGE: Final = 1000
_FIRST_REGION: Final = "us-east-1"  # which must not be named
_COMPLETION_S: Final = 120.0
_COPY_S: Final = 300.0
_LARGEST_COPY: Final = 5 << 30
_COPIED_PART: Final = 1 << 30
_MISSING: Final = 404
_LOST_TO: Final = ("PreconditionFailed", "ConditionalRequestConflict")
_NO_CONDITIONS: Final = ("NotImplemented", "InvalidArgument", "InvalidRequest")  # what stores say that know none


class _Mark(msgspec.Struct, frozen=True):
    """The content of the mark."""

    what: str = "blobs of an Entrepot registry; without this object they are taken for being elsewhere"
    registry: str = ""


class Stored(msgspec.Struct, frozen=True):
    """A part that was sent."""

    etag: str | None
    md5: str


class Sums(msgspec.Struct, frozen=True):
    """What a body must be: `sha256` is signed, and `md5` is what every store compares, where not all compare the other one."""

    sha256: str
    md5: str

    @property
    def headers(self) -> dict[str, str]:
        """The header that lets the store check the body."""
        return {"content-md5": self.md5}


async def sums_of(pieces: Sequence[bytes]) -> Sums:
    """Compute both, in a thread where that takes longer than going there."""
    return _sums(pieces) if sum(map(len, pieces)) < _SMALL_BYTES else await asyncio.to_thread(_sums, pieces)


def _sums(pieces: Sequence[bytes]) -> Sums:
    sha256, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
    for piece in pieces:
        sha256.update(piece)
        md5.update(piece)
    return Sums(sha256.hexdigest(), b64encode(md5.digest()).decode())


class Objects:
    """The objects below the bucket's prefix. Every method may raise StorageUnavailable."""

    def __init__(self, calls: Calls) -> None:
        self.calls = calls
        self._prefix = calls.bucket.prefix

    def whole(self, key: str) -> str:
        """Return the key as the bucket has it."""
        return self._prefix + key

    async def put(self, key: str, pieces: Sequence[bytes]) -> str:
        """Store an object whole; return the SHA-256 of its bytes, by which the store has checked them."""
        sums = await sums_of(pieces)
        headers = {**_OCTETS, **sums.headers}
        await self.calls.send(Call("PUT", self.whole(key), headers=headers, body=pieces, payload=sums.sha256))
        return sums.sha256

    async def head(self, key: str) -> Answer | None:
        """Return what the store tells of an object; None when it is missing, and the bucket is there."""
        answer = await self.calls.send(Call("HEAD", self.whole(key), expected=(200, _MISSING)))
        if answer.status == _MISSING:
            await self.require_mark()
            return None
        return answer

    async def size(self, key: str) -> int | None:
        """Return an object's bytes, None when it is missing."""
        answer = await self.head(key)
        return None if answer is None else answer.size

    async def make_bucket(self) -> None:
        """Make the bucket, unless it was made just now; in the region that we sign for, which Amazon's wants to be told."""
        region = self.calls.region
        body = b"" if region == _FIRST_REGION else location(region)
        sums = _sums([body])
        codes = ("BucketAlreadyOwnedByYou", "BucketAlreadyExists")
        await self.calls.send(Call("PUT", headers=sums.headers, body=[body], payload=sums.sha256, codes=codes))

    async def is_marked(self) -> bool:
        """Tell whether blobs have ever been kept here."""
        answer = await self.calls.send(Call("HEAD", self.whole(MARK), expected=(200, _MISSING)))
        return answer.status != _MISSING

    async def require_mark(self) -> None:
        """Do nothing when what is missing is missing. Raises BucketAway where all is: it is another bucket, or was emptied."""
        if not await self.is_marked():
            raise BucketAway("storage")

    async def marked(self) -> str | None:
        """Return whose blobs are kept here, empty when the mark does not say; None when there is no mark."""
        answer = await self.calls.send(Call("GET", self.whole(MARK), expected=(200, _MISSING)))
        if answer.status == _MISSING:
            return None
        try:
            return msgspec.json.decode(answer.body, type=_Mark).registry
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return ""

    async def mark(self, identity: str, *, first: bool) -> None:
        """Note that blobs are kept here, and whose; the `first` mark of several stands, which only `marked` tells."""
        body = [msgspec.json.encode(_Mark(registry=identity))]
        sums = await sums_of(body)
        headers = {**_OCTETS, **sums.headers}
        call = Call("PUT", self.whole(MARK), headers=headers, body=body, payload=sums.sha256)
        if first:
            once = msgspec.structs.replace(call, headers={**headers, "if-none-match": "*"}, codes=(*_LOST_TO, *_NO_CONDITIONS))
            if (await self.calls.send(once)).code not in _NO_CONDITIONS:
                return
        await self.calls.send(call)

    async def delete(self, key: str) -> None:
        """Delete an object that may be missing."""
        await self.calls.send(Call("DELETE", self.whole(key), expected=(200, 204, _MISSING)))

    async def copy(self, key: str, to: str) -> None:
        """Copy an object inside the store, whole; in parts where one call may not copy so much."""
        size = await self.size(key)
        if size is not None and size > _LARGEST_COPY:
            await self._copy_in_parts(key, to, size)
        else:
            headers = {"x-amz-copy-source": self._source(key)}
            await self.calls.send(Call("PUT", self.whole(to), headers=headers, limit_s=_COPY_S))
        if await self.size(to) != size:
            raise StorageUnavailable("storage")

    async def _copy_in_parts(self, key: str, to: str, size: int) -> None:
        upload, parts = await self.begin(to), []
        for number, first in enumerate(range(0, size, _COPIED_PART), 1):
            last = min(first + _COPIED_PART, size) - 1
            headers = {"x-amz-copy-source": self._source(key), "x-amz-copy-source-range": f"bytes={first}-{last}"}
            query = (("partNumber", str(number)), ("uploadId", upload))
            answer = await self.calls.send(Call("PUT", self.whole(to), query, headers, limit_s=_COPY_S))
            parts.append((number, field(answer.body, "ETag").strip('"')))
        await self.complete(to, upload, parts)

    def _source(self, key: str) -> str:
        return f"/{self.calls.bucket.name}/{self.whole(key)}"

    async def begin(self, key: str) -> str:
        """Begin a multipart upload; return its id."""
        answer = await self.calls.send(Call("POST", self.whole(key), (("uploads", ""),), _OCTETS))
        upload = field(answer.body, "UploadId")
        if not upload:
            raise StorageUnavailable("storage")
        return upload

    async def put_part(self, key: str, upload: str, number: int, pieces: Sequence[bytes]) -> Stored:
        """Store a part; return its ETag, None when there is no such multipart upload any more, and its MD5 sum."""
        sums = await sums_of(pieces)
        query = (("partNumber", str(number)), ("uploadId", upload))
        call = Call("PUT", self.whole(key), query, sums.headers, pieces, sums.sha256, codes=("NoSuchUpload",))
        answer = await self.calls.send(call)
        return Stored(None if answer.code else answer.headers.get("etag", "").strip('"'), b64decode(sums.md5).hex())

    async def complete(self, key: str, upload: str, parts: list[tuple[int, str]]) -> bool:
        """Make the parts an object; False when the store has no such upload (any more), or other parts."""
        body = completion(parts)
        payload = hashlib.sha256(body).hexdigest()
        codes = ("NoSuchUpload", "InvalidPart", "InvalidPartOrder", "EntityTooSmall")
        call = Call(
            "POST", self.whole(key), (("uploadId", upload),), body=[body], payload=payload, codes=codes, limit_s=_COMPLETION_S
        )
        return not (await self.calls.send(call)).code

    async def abort(self, key: str, upload: str) -> None:
        """End a multipart upload that may have ended."""
        call = Call("DELETE", self.whole(key), (("uploadId", upload),), expected=(200, 204, _MISSING), codes=("NoSuchUpload",))
        await self.calls.send(call)

    async def listed(self, prefix: str) -> AsyncIterator[Listed]:
        """Yield the objects below a prefix."""
        query = (("delimiter", "/"), ("list-type", "2"), ("max-keys", str(_PAGE)), ("prefix", self.whole(prefix)))
        async for page in self._pages(query, {"continuation-token": "NextContinuationToken"}):
            for found in objects(page):
                yield self._ours(found)

    async def listed_uploads(self, prefix: str) -> AsyncIterator[Listed]:
        """Yield the multipart uploads below a prefix."""
        query = (("uploads", ""), ("max-uploads", str(_PAGE)), ("prefix", self.whole(prefix)))
        async for page in self._pages(query, {"key-marker": "NextKeyMarker", "upload-id-marker": "NextUploadIdMarker"}):
            for found in uploads(page):
                if found.key.startswith(self.whole(prefix)):
                    yield self._ours(found)

    async def _pages(self, query: tuple[tuple[str, str], ...], markers: dict[str, str]) -> AsyncIterator[bytes]:
        """Yield a list's pages; `markers` are what is asked for the next one, and the fields of the last one that tell it."""
        place: tuple[tuple[str, str], ...] = ()
        while True:
            page = (await self.calls.send(Call("GET", "", (*query, *place)))).body
            yield page
            before, place = place, tuple((asked, field(page, told)) for asked, told in markers.items())
            if field(page, "IsTruncated") != "true" or not place[0][1]:
                return
            if place == before:
                raise StorageUnavailable("storage")  # it would go on for ever

    def _ours(self, found: Listed) -> Listed:
        return Listed(found.key.removeprefix(self._prefix), found.size, found.modified_at_us, found.upload)
