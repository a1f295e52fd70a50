"""What a store answers: XML taken apart, and its errors as the driver's."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Final
from xml.etree import ElementTree as ET

import msgspec

from entrepot.platform.storage.driver import StorageAway, StorageFull, StorageReadOnly, StorageUnavailable

_NAMESPACE: Final = "http://s3.amazonaws.com/doc/2006-03-01/"
_FULL_FOR_S: Final = 60  # until a client is to try again: a person has to do something
_FULL: Final = frozenset({"InsufficientCapacity", "QuotaExceeded", "XMinioStorageFull", "XMinioAdminBucketQuotaExceeded"})
_READ_ONLY: Final = frozenset({"XMinioReadOnly", "ReadOnly"})
_LONGEST_ERROR: Final = 64 << 10
_LONGEST_NUMBER: Final = 19
_UNAUTHORIZED: Final = 401
_FORBIDDEN: Final = 403
_INSUFFICIENT_STORAGE: Final = 507


class BucketAway(StorageAway):
    """The store does not answer, or has no such bucket: nothing is lost, but it cannot be had."""

    summary = (
        "the registry's storage does not answer at the moment: its administrator must bring its bucket back if it stays away; "
        "try again in {retry_after_s} seconds"
    )


class StoreRefuses(StorageUnavailable):
    """The store does not let us do what we asked for."""

    summary = (
        "the registry's storage refuses its credentials: its administrator must mend them; try again in {retry_after_s} seconds"
    )


class Answer(msgspec.Struct, frozen=True):
    """An answer that was read to its end; `code` is the store's word for an error, empty when there is none."""

    status: int
    headers: Mapping[str, str]
    body: bytes = b""
    code: str = ""

    @property
    def size(self) -> int:
        """How many bytes the object has. Raises StorageUnavailable where that was not told."""
        return _number(self.headers.get("content-length", ""))


class Listed(msgspec.Struct, frozen=True):
    """An object or a multipart upload in a list; `upload` is empty for objects."""

    key: str
    size: int
    modified_at_us: int
    upload: str = ""


def error_code(body: bytes) -> str:
    """Return the code of an error document, also of one that came with status 200; empty when it is none."""
    if len(body) > _LONGEST_ERROR or b"<Error" not in body[:1000]:
        return ""
    root = _parsed(body)
    return _text(root, "Code") if root is not None and _name(root) == "Error" else ""


def trouble(answer: Answer) -> StorageUnavailable:
    """Return the driver's error for an answer that nobody expected."""
    if answer.code in _FULL or answer.status == _INSUFFICIENT_STORAGE:
        return StorageFull("storage", retry_after_s=_FULL_FOR_S)
    if answer.code in _READ_ONLY:
        return StorageReadOnly("storage", retry_after_s=_FULL_FOR_S)
    if answer.code == "NoSuchBucket":
        return BucketAway("storage")
    if answer.status in (_UNAUTHORIZED, _FORBIDDEN):
        return StoreRefuses("storage")
    return StorageUnavailable("storage")


def field(body: bytes, name: str) -> str:
    """Return the text of the first element of this name, empty when there is none."""
    root = _parsed(body)
    return "" if root is None else _text(root, name)


def objects(body: bytes) -> Iterator[Listed]:
    """Yield what a ListObjectsV2 answer lists."""
    for found in _children(body, "Contents"):
        yield Listed(_text(found, "Key"), _number(_text(found, "Size")), _time_us(_text(found, "LastModified")))


def uploads(body: bytes) -> Iterator[Listed]:
    """Yield what a ListMultipartUploads answer lists; sizes are not told."""
    for found in _children(body, "Upload"):
        yield Listed(_text(found, "Key"), 0, _time_us(_text(found, "Initiated")), _text(found, "UploadId"))


def completion(parts: list[tuple[int, str]]) -> bytes:
    """Write the document that completes a multipart upload; parts are number and ETag."""
    lines = "".join(f'<Part><PartNumber>{number}</PartNumber><ETag>"{etag}"</ETag></Part>' for number, etag in parts)
    return f'<CompleteMultipartUpload xmlns="{_NAMESPACE}">{lines}</CompleteMultipartUpload>'.encode()


def location(region: str) -> bytes:
    """Write the document that says where a bucket is to be made."""
    inner = f"<LocationConstraint>{region}</LocationConstraint>"
    return f'<CreateBucketConfiguration xmlns="{_NAMESPACE}">{inner}</CreateBucketConfiguration>'.encode()


def _parsed(body: bytes) -> ET.Element | None:
    parser = ET.XMLParser(target=_Builder())  # noqa: S314 - from our own store, bounded, and without entities
    try:
        parser.feed(body)
        root: ET.Element = parser.close()
    except (ET.ParseError, LookupError, ValueError):
        return None
    return root


class _Builder(ET.TreeBuilder):
    def doctype(self, *_: object) -> None:
        """Refuse it, in whatever encoding: no store writes one, and its entities would be put together on the event loop."""
        raise ValueError("a document type")


def _children(body: bytes, name: str) -> Iterator[ET.Element]:
    root = _parsed(body)
    if root is None:
        raise StorageUnavailable("storage")
    return (each for each in root if _name(each) == name)


def _name(element: ET.Element) -> str:
    return element.tag.rpartition("}")[2]


def _text(element: ET.Element, name: str) -> str:
    return next((each.text or "" for each in element if _name(each) == name), "")


def _number(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= _LONGEST_NUMBER):
        raise StorageUnavailable("storage")
    return int(text)


def _time_us(text: str) -> int:
    """Return microseconds UTC of a time as S3 writes it; 0, which is very old, never: what cannot be read is refused."""
    try:
        return int(datetime.fromisoformat(text).timestamp() * 1_000_000)
    except ValueError as error:
        raise StorageUnavailable("storage") from error
