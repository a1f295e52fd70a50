"""Reading addresses and numbers of a registry request; what cannot be read is an error with a sentence."""

from typing import Final
from urllib.parse import unquote

from entrepot.base.errors import EntrepotError
from entrepot.web.shared.call import Call

MAX_PAGE: Final = 1000
_MAX_DIGITS: Final = 9


class RouteUnknown(EntrepotError):
    """Nothing lies at that address."""

    summary = "'{path}' is not an address of the registry's interface: /v2/<name>/manifests/<reference> is one, for example"


class MethodUnknown(EntrepotError):
    """The address does not take that method."""

    summary = "{method} is not supported here: {allowed} are"

    def __init__(self, method: str, allowed: str) -> None:
        super().__init__(method=method, allowed=allowed)
        self.allowed = allowed


class NumberInvalid(EntrepotError):
    """The page size is not a number."""

    summary = "n is '{n}': it must be a number of entries, 0 or more"


class TooManyTags(EntrepotError):
    """More tags in one push than are accepted."""

    summary = "{count} tags in one request; at most {limit} are accepted: push the rest in another one"


class FormInvalid(EntrepotError):
    """The body is no form."""

    summary = "the body is not a form of at most 64 KiB (application/x-www-form-urlencoded)"


class GrantUnknown(EntrepotError):
    """The form asks for a grant that is not given."""

    summary = "grant_type is '{grant}': password or refresh_token are expected"


def page_size(call: Call) -> int:
    """Return the query's `n`, at most 1000, which is also the default: more come by the Link.

    Raises:
        NumberInvalid
    """
    text = call.one("n")
    if text is None or text == "":
        return MAX_PAGE
    if not (text.isascii() and text.isdecimal()):
        raise NumberInvalid(n=text)
    return MAX_PAGE if len(text) > _MAX_DIGITS else min(int(text), MAX_PAGE)


def unquoted(segment: str) -> str:
    """Return a path's last segment with its escapes resolved once: some clients send a digest's colon as %3A.

    A NUL, which not every database takes, is replaced as bytes that are not UTF-8 are: nothing has either in its name.
    """
    return unquote(segment, errors="replace").replace("\0", "\ufffd") if "%" in segment else segment
