"""One repository as a client sees it over HTTP: short ways to push what a test needs."""

import hashlib
import json
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from support.http import Answer, Client
from support.images import CONFIG, INDEX, LAYER_GZIP, MANIFEST

SAFE: Final = {
    "x-content-type-options": "nosniff",
    "content-security-policy": "default-src 'none'; sandbox; frame-ancestors 'none'",
    "docker-distribution-api-version": "registry/2.0",
}


def digest_of(content: bytes, algorithm: str = "sha256") -> str:
    """Return the digest of bytes."""
    return f"{algorithm}:{hashlib.new(algorithm, content).hexdigest()}"


def descriptor(content: bytes, media_type: str = LAYER_GZIP, algorithm: str = "sha256") -> dict[str, Any]:
    """Return what a manifest says about bytes."""
    return {"mediaType": media_type, "digest": digest_of(content, algorithm), "size": len(content)}


def encoded(value: object) -> bytes:
    """Return a value as compact JSON."""
    return json.dumps(value, separators=(",", ":")).encode()


def plain_headers(answer: Answer) -> dict[str, str]:
    """Return an answer's headers in lower case, without those that no two answers share: the date and the request's id."""
    return {name.lower(): value for name, value in answer.headers.items() if name.lower() not in ("date", "x-request-id")}


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository on a server."""

    client: Client
    name: str

    def at(self, rest: str) -> str:
        """Return an address inside it."""
        return f"/v2/{self.name}/{rest}"

    def begin(self, query: str = "") -> str:
        """Begin an upload and return its address."""
        answer = self.client.post(self.at(f"blobs/uploads/{query}"))
        assert answer.status == 202, answer
        return answer.headers["Location"]

    def finish(self, location: str, digest: str, body: bytes = b"", **headers: str) -> Answer:
        """Close an upload, with its last bytes."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.client.put(f"{location}?digest={quote(digest)}", body=body, headers=named)

    def blob(self, content: bytes, media_type: str = LAYER_GZIP, algorithm: str = "sha256") -> dict[str, Any]:
        """Push a blob and return its descriptor."""
        described = descriptor(content, media_type, algorithm)
        answer = self.finish(self.begin(), described["digest"], content)
        assert answer.status == 201, answer
        return described

    def put(self, reference: str, content: bytes, media_type: str = MANIFEST) -> Answer:
        """Push a manifest."""
        return self.client.put(self.at(f"manifests/{reference}"), body=content, headers={"Content-Type": media_type})

    def image(self, *tags: str, seed: str = "", **more: Any) -> bytes:
        """Push an image of one layer under tags, or its digest; return its manifest."""
        config = self.blob(b"{}" if not seed else encoded({"seed": seed}), CONFIG)
        layer = self.blob(f"layer {seed}".encode())
        manifest = encoded({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer], **more})
        for reference in tags or (digest_of(manifest),):
            assert self.put(reference, manifest).status == 201
        return manifest

    def index(self, reference: str, *manifests: bytes, **more: Any) -> bytes:
        """Push an index of images that are here; return it."""
        listed = [descriptor(each, MANIFEST) for each in manifests]
        index = encoded({"schemaVersion": 2, "mediaType": INDEX, "manifests": listed, **more})
        assert self.put(reference, index, INDEX).status == 201
        return index

    def tags(self, query: str = "") -> list[str]:
        """Return the list of tags."""
        answer = self.client.get(self.at(f"tags/list{query}"))
        assert answer.status == 200, answer
        found: list[str] = answer.json["tags"]
        return found

    def has_blob(self, digest: str) -> bool:
        """Tell whether the blob is here."""
        return self.client.head(self.at(f"blobs/{digest}")).status == 200
