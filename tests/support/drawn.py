"""Manifests drawn by hypothesis: well-formed ones of every kind, and ones with something wrong in them."""

import copy
import json
from typing import Any, Final

from hypothesis import strategies as st

from support.images import DOCKER_LIST, DOCKER_MANIFEST, INDEX, MANIFEST

ARTIFACT: Final = "application/vnd.example.thing+json"
DIGEST: Final = st.one_of(
    st.text("0123456789abcdef", min_size=64, max_size=64).map(lambda digits: f"sha256:{digits}"),
    st.text("0123456789abcdef", min_size=128, max_size=128).map(lambda digits: f"sha512:{digits}"),
)
ANNOTATIONS: Final = st.dictionaries(st.text(max_size=6), st.text(max_size=6), max_size=3)
MEDIA_TYPE: Final = st.sampled_from(
    [
        "application/vnd.oci.image.config.v1+json",
        "application/vnd.oci.image.layer.v1.tar+gzip",
        "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
        "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
        "application/octet-stream",
        "",
    ]
)
DESCRIPTOR: Final = st.fixed_dictionaries(
    {"mediaType": MEDIA_TYPE, "digest": DIGEST, "size": st.integers(0, 2**63 - 1)},
    optional={
        "urls": st.lists(st.just("https://example.com/layer"), max_size=2),
        "annotations": ANNOTATIONS,
        "artifactType": st.just("application/vnd.example"),
        "platform": st.just({"os": "linux", "architecture": "arm", "variant": "v7", "os.version": "1", "os.features": ["x"]}),
        "data": st.just("e30="),
        "x-own": st.booleans(),
    },
)
_MORE: Final = {
    "subject": st.one_of(st.none(), DESCRIPTOR),
    "annotations": ANNOTATIONS,
    "artifactType": st.just("application/vnd.example"),
    "x-own": st.none(),
}


def _image(media_type: str) -> st.SearchStrategy[dict[str, Any]]:
    required = {"schemaVersion": st.just(2), "mediaType": st.just(media_type), "config": DESCRIPTOR}
    return st.fixed_dictionaries({**required, "layers": st.lists(DESCRIPTOR, max_size=4)}, optional=_MORE)


def _index(media_type: str) -> st.SearchStrategy[dict[str, Any]]:
    required = {"schemaVersion": st.just(2), "mediaType": st.just(media_type)}
    return st.fixed_dictionaries({**required, "manifests": st.lists(DESCRIPTOR, max_size=4)}, optional=_MORE)


MANIFESTS: Final = st.one_of(_image(MANIFEST), _image(DOCKER_MANIFEST), _index(INDEX), _index(DOCKER_LIST))
_ODD: Final = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 5),
    st.just(2.0),
    st.just(10**30),
    st.text(max_size=4),
    st.just("\ud800"),
    st.just([]),
    st.just({}),
    st.just([None]),
    st.just({"digest": "sha256:" + "0" * 64}),
    DESCRIPTOR,
    st.lists(DESCRIPTOR, max_size=2),
)
_KEYS: Final = st.sampled_from(
    [
        *("config", "layers", "manifests", "subject", "blobs", "annotations", "artifactType", "mediaType", "schemaVersion"),
        *("digest", "size", "urls", "Config", "LAYERS", "\u017fubject", "manife\u017fts", "platform", "data", "own"),
    ]
)


@st.composite
def spoiled(draw: st.DrawFn) -> tuple[str, bytes]:
    """Make a well-formed manifest, then change some keys at the top or in a descriptor, and perhaps some bytes."""
    value = draw(MANIFESTS)
    said = value["mediaType"]
    for _ in range(draw(st.integers(0, 3))):
        places = [value, *(each for each in value.values() if isinstance(each, dict))]
        for listed in (value.get("layers"), value.get("manifests")):
            places += [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []
        # A copy: what is drawn twice must not come to hold itself.
        draw(st.sampled_from(places))[draw(_KEYS)] = copy.deepcopy(draw(_ODD))
    text = json.dumps(value, ensure_ascii=draw(st.booleans())).encode("utf-8", "surrogatepass")
    if draw(st.integers(0, 5)) == 0:
        place = draw(st.integers(0, len(text) - 1))
        text = text[:place] + draw(st.binary(max_size=3)) + text[place + draw(st.integers(0, 3)) :]
    header = draw(st.sampled_from([said, said, "", "application/json", ARTIFACT, "text/html", f"{said}; charset=utf-8"]))
    return header, text
