"""Bodies: JSON that every reader understands alike, of a bounded size, and of text that every database stores."""

from typing import Any, Final

from entrepot.base.errors import EntrepotError
from entrepot.spec.oci.strict_json import JsonRefused, parse_object
from entrepot.web.shared.call import Call

MOST_BYTES: Final = 64 << 10
_MOST_CONTAINERS: Final = 2000  # what takes long to read is what has many objects or lists, and no request of ours has
_JSON: Final = "application/json"


class MediaTypeRefused(EntrepotError):
    """The body is of another type than JSON. So no page of another site can make a browser send one unasked."""

    summary = "the body is to be JSON: send it with the header 'Content-Type: application/json'"


async def read(call: Call) -> bytes:
    """Return the body of a request, checked but not read for what it means.

    Raises:
        BodyInterrupted, BodyTooLarge, BodyTooSlow, JsonRefused, MediaTypeRefused
    """
    content = await call.body(at_most=MOST_BYTES)
    if not content:
        return content
    if call.header(b"content-type").partition(";")[0].strip().lower() != _JSON:
        raise MediaTypeRefused
    if content.count(b"{") + content.count(b"[") > _MOST_CONTAINERS:
        raise JsonRefused(reason=f"it has more than {_MOST_CONTAINERS} objects and lists")
    _check(parse_object(content))
    return content


def _check(value: Any) -> None:
    """Do nothing when all texts can be stored. Raises JsonRefused."""
    if isinstance(value, str):
        if "\0" in value:
            raise JsonRefused(reason="a text has a NUL")
        try:
            value.encode()
        except UnicodeEncodeError:
            raise JsonRefused(reason="a text has half of a surrogate pair") from None
    elif isinstance(value, dict):
        for key, each in value.items():
            _check(key)
            _check(each)
    elif isinstance(value, list):
        for each in value:
            _check(each)
