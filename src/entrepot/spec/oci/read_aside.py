"""`python -m entrepot.spec.oci.read_aside`: reads a request from standard input, parses its manifest, writes the reply."""

import sys

import msgspec

from entrepot.base.errors import shown
from entrepot.spec.oci import manifest
from entrepot.spec.oci.manifest import Manifest, ManifestInvalid


class Request(msgspec.Struct, frozen=True):
    """A manifest to be parsed."""

    content_type: str
    algorithm: str
    content: bytes


class Reply(msgspec.Struct, frozen=True):
    """The manifest without its bytes, or why it was refused."""

    manifest: Manifest | None
    refused: str


def reply_to(request: Request) -> Reply:
    """Parse; what is refused becomes a value."""
    try:
        parsed = manifest.parse(request.content_type, request.content, request.algorithm)
    except ManifestInvalid as refused:
        return Reply(None, shown(refused.facts.get("reason", refused.message)))
    return Reply(msgspec.structs.replace(parsed, content=b""), "")


def main() -> None:
    """Answer one request."""
    request = msgspec.msgpack.decode(sys.stdin.buffer.read(), type=Request)
    sys.stdout.buffer.write(msgspec.msgpack.encode(reply_to(request)))


if __name__ == "__main__":
    main()
