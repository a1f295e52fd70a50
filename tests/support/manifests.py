"""Manifests as the product reads them, for tests that push by its own verbs."""

from typing import Any

from entrepot.spec.oci.digest import Digest
from entrepot.spec.oci.manifest import Manifest, parse
from support import images


def image(config: Digest, *layers: Digest, **more: Any) -> Manifest:
    """Make an image's manifest of these blobs; `more` is added to it (`annotations={"number": "1"}`)."""
    listed = [descriptor(layer, images.LAYER) for layer in layers]
    about = {"schemaVersion": 2, "mediaType": images.MANIFEST, "config": descriptor(config, images.CONFIG), "layers": listed}
    return parse(images.MANIFEST, images._json({**about, **more}))


def index(*children: Digest) -> Manifest:
    """Make an index of these manifests."""
    listed = [descriptor(child, images.MANIFEST) for child in children]
    return parse(images.INDEX, images._json({"schemaVersion": 2, "mediaType": images.INDEX, "manifests": listed}))


def descriptor(digest: Digest, media_type: str) -> dict[str, Any]:
    """Return what a manifest says about one of its parts; sizes are not checked by anyone."""
    return {"mediaType": media_type, "digest": str(digest), "size": 2}
