"""Where a bucket is: the value of `--storage`, taken apart.

`s3://BUCKET/PREFIX?endpoint=URL&public_endpoint=URL&region=NAME&create=true&redirect=on|off&style=path|host`. What a person may
mistype is refused with the reason; credentials never stand in it.
"""

import re
from typing import Final, Literal
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec

from entrepot.base.errors import EntrepotError

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_PREFIX: Final = re.compile(r"[A-Za-z0-9!_.'()-]+(/[A-Za-z0-9!_.'()-]+)*")
_LONGEST_PREFIX: Final = 256
_KEPT: Final = ("blobs", "quarantine")
_REGION: Final = re.compile(r"[a-z0-9-]{1,64}")
_OPTIONS: Final = {
    "endpoint": "a URL",
    "public_endpoint": "a URL",
    "region": "a name such as eu-central-1",
    "create": "true or false",
    "redirect": "on or off",
    "style": "path or host",
}
_HIGHEST_PORT: Final = 65_535


class Bucket(msgspec.Struct, frozen=True):
    """A bucket and the folder in it that is ours; `endpoint` is empty for Amazon's, `prefix` is empty or ends with a slash.

    `redirect` is None where nobody decided: then a public endpoint decides.
    """

    name: str
    prefix: str = ""
    endpoint: str = ""
    public_endpoint: str = ""
    region: str = ""
    create: bool = False
    redirect: bool | None = None
    style: Literal["path", "host"] = "host"

    @property
    def redirects(self) -> bool:
        """Tell whether clients are sent to the bucket for large blobs."""
        return bool(self.public_endpoint) if self.redirect is None else self.redirect

    @property
    def told(self) -> str:
        """The bucket as a person knows it."""
        return f"s3://{self.name}/{self.prefix}"


def parse_bucket(text: str) -> Bucket:
    """Take the setting apart. Raises ValueError with the reason."""
    parts = urlsplit(text)
    if parts.scheme != "s3" or not parts.netloc:
        raise ValueError("it does not begin with s3://BUCKET")
    if "@" in parts.netloc:
        raise ValueError("credentials do not stand in it, but in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
    if not _NAME.fullmatch(parts.netloc):
        raise ValueError(f"'{parts.netloc}' is no name of a bucket: 3 to 63 small letters, digits, dots and hyphens")
    if parts.fragment:
        raise ValueError("it has a part after a #")
    prefix = unquote(parts.path).strip("/")
    if prefix and (not _PREFIX.fullmatch(prefix) or len(prefix) > _LONGEST_PREFIX or {".", ".."} & set(prefix.split("/"))):
        raise ValueError(f"the prefix is none: letters, digits and _.-!'() between single slashes, {_LONGEST_PREFIX} at most")
    if prefix.rpartition("/")[2] in _KEPT:
        raise ValueError(f"the prefix ends with {' or '.join(_KEPT)}, which a registry names its own folders: choose another one")
    options = _options(parts.query)
    endpoint = _address("endpoint", options.get("endpoint", ""))
    style = options.get("style") or ("path" if endpoint or "." in parts.netloc else "host")
    if style not in ("path", "host"):
        raise ValueError(f"style is '{style}', expected path or host")
    region = options.get("region", "")
    if region and not _REGION.fullmatch(region):
        raise ValueError(f"region is '{region}', expected a name such as eu-central-1")
    return Bucket(
        name=parts.netloc,
        prefix=f"{prefix}/" if prefix else "",
        endpoint=endpoint,
        public_endpoint=_address("public_endpoint", options.get("public_endpoint", "")),
        region=region,
        create=_choice(options, "create", {"true": True, "false": False}) or False,
        redirect=_choice(options, "redirect", {"on": True, "off": False}),
        style="path" if style == "path" else "host",
    )


def _options(query: str) -> dict[str, str]:
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=True) if query else []
    except ValueError:
        raise ValueError("what stands behind the ? are no options: write name=value, with & between them") from None
    options = dict(pairs)
    if len(options) != len(pairs):
        raise ValueError("an option stands in it twice")
    for name in options:
        if name not in _OPTIONS:
            raise ValueError(f"'{name}' is no option: there are {', '.join(_OPTIONS)}")
    return options


def _choice(options: dict[str, str], name: str, choices: dict[str, bool]) -> bool | None:
    if name not in options:
        return None
    if options[name] not in choices:
        raise ValueError(f"{name} is '{options[name]}', expected {_OPTIONS[name]}")
    return choices[options[name]]


def _address(name: str, text: str) -> str:
    """Return an endpoint without a slash at its end."""
    if not text:
        return ""
    parts = urlsplit(text)
    if "@" in text:
        raise ValueError(f"credentials do not stand in {name}, but in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
    port = parts.port  # raises ValueError where it is none
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError(f"{name} is '{text}', expected http(s)://HOST[:PORT]")
    if parts.path.strip("/"):
        raise ValueError(f"{name} is '{text}', which has a path: the bucket's name follows by itself")
    if port is not None and not 0 < port <= _HIGHEST_PORT:
        raise ValueError(f"{name} has the port {port}")
    return f"{parts.scheme}://{parts.netloc}"


class BucketUnusable(EntrepotError):
    """Nothing can be served from the bucket, and a person must do something about it."""

    summary = "the bucket {bucket} cannot be used: {reason}"
