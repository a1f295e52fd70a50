"""What an image is made of, read from its manifest and its configuration: OCI image-spec 1.1 (manifest, image-index, config).

All of it was pushed by somebody: every field may be missing, of another type, or made to look like something else.
"""

import re
import shlex
from contextlib import aclosing
from typing import Any, Final

import msgspec

from entrepot.base.errors import EntrepotError, Unavailable
from entrepot.domain.access.model import Actor
from entrepot.domain.registry.errors import ManifestUnknown
from entrepot.domain.registry.model import StoredManifest
from entrepot.domain.registry.service import Registry
from entrepot.spec.oci import images
from entrepot.spec.oci.digest import Digest
from entrepot.spec.oci.names import RepositoryName

_INDEXES: Final = frozenset(
    {"application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json"}
)
_ROOT: Final = re.compile(r"(?:root|[+-]?0+)?")  # numbers as C reads them
_MOST_IMAGES: Final = 50  # of an index
_MOST_SHOWN: Final = 500  # of layers, variables, labels: what has more was not made to be read
_PREFERRED: Final = ("linux/amd64", "linux/arm64")


class Layer(msgspec.Struct, frozen=True):
    """A layer and the command that made it; one without a digest only changed settings."""

    command: str
    digest: str
    size_bytes: int


class Child(msgspec.Struct, frozen=True):
    """An image of an index."""

    platform: str
    digest: str


class Configuration(msgspec.Struct, frozen=True):
    """How an image runs, as its configuration says."""

    entry_point: str = ""
    command: str = ""
    user: str = ""
    folder: str = ""
    stop_signal: str = ""
    ports: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    labels: tuple[tuple[str, str], ...] = ()

    @property
    def is_root(self) -> bool:
        """Tell whether it runs as root, as an image that names nobody does."""
        return _ROOT.fullmatch(self.user.partition(":")[0]) is not None

    @property
    def is_a_number(self) -> bool:
        """Tell whether the user is a number: what a name stands for, a file in the image decides."""
        return self.user.partition(":")[0].isdecimal()


class Contents(msgspec.Struct, frozen=True):
    """What a tag points at: an image with its layers, or an index with its images, of which `platform` is the one that is shown.

    `download_bytes` is what a pull of that image fetches. Without `configuration` it is no image (a chart, a signature, a file),
    or `unreadable` says that it is one, and what is missing of it: its `platform`, or its `configuration`.
    """

    digest: str
    media_type: str
    platform: str = ""
    children: tuple[Child, ...] = ()
    layers: tuple[Layer, ...] = ()
    download_bytes: int = 0
    configuration: Configuration | None = None
    annotations: tuple[tuple[str, str], ...] = ()
    unreadable: str = ""

    @property
    def largest_bytes(self) -> int:
        """The size of the largest layer, at least 1."""
        return max([1, *(each.size_bytes for each in self.layers)])

    def said(self, name: str) -> str:
        """Return what a label or an annotation says, '' when there is none."""
        about = dict(self.configuration.labels if self.configuration else ()) | dict(self.annotations)
        return about.get(name, "")


async def contents(registry: Registry, actor: Actor, name: RepositoryName, reference: Digest | str, wanted: str = "") -> Contents:
    """Read what a tag or a digest points at; of an index the image for the platform `wanted`, or the one that most will pull.

    Raises:
        ManifestUnknown, Renamed, RepositoryUnknown, Unavailable, Unproven
    """
    found = await registry.manifests.find(actor, name, reference)
    top = images.document(found.content)
    annotations = tuple(images.pairs(top.get("annotations"), _MOST_SHOWN).items())
    if found.media_type not in _INDEXES:
        return await _image(registry, actor, name, found, annotations)
    children = tuple(_children(top))
    shown = _shown(children, wanted)
    if shown is None:
        return Contents(found.digest, found.media_type, "", children, annotations=annotations, unreadable="platform")
    try:
        child = await registry.manifests.find(actor, name, Digest.parse(shown.digest))
    except ManifestUnknown:  # an index may name an image that was never pushed, or was deleted since
        return Contents(found.digest, found.media_type, shown.platform, children, annotations=annotations, unreadable="platform")
    image = await _image(registry, actor, name, child, annotations)
    return msgspec.structs.replace(
        image, digest=found.digest, media_type=found.media_type, platform=shown.platform, children=children
    )


async def _image(
    registry: Registry,
    actor: Actor,
    name: RepositoryName,
    found: StoredManifest,
    annotations: tuple[tuple[str, str], ...],
) -> Contents:
    manifest = images.document(found.content)
    blobs = [each for each in _list(manifest.get("layers")) if isinstance(each, dict)]
    config = manifest.get("config")
    config = config if isinstance(config, dict) else {}
    said: dict[str, Any] = {}
    is_image = config.get("mediaType") in images.CONFIGS
    if is_image and 0 < images.size(config) <= images.LARGEST_CONFIG:
        said = images.document(await _config(registry, actor, name, str(config.get("digest"))))
    return Contents(
        found.digest,
        found.media_type,
        images.platform(said) if said else "",
        (),
        tuple(_layers(blobs, said)),
        images.download_bytes(manifest, found.size),
        _configuration(said) if said else None,
        tuple({**images.pairs(manifest.get("annotations"), _MOST_SHOWN), **dict(annotations)}.items()),
        "configuration" if is_image and not said else "",
    )


async def _config(registry: Registry, actor: Actor, name: RepositoryName, digest: str) -> bytes:
    """Return the bytes of a configuration; nothing when they cannot be had: the page says less then."""
    try:
        link = await registry.blobs.find(actor, name, Digest.parse(digest))
        if link.size > images.LARGEST_CONFIG:
            return b""
        small = registry.blobs.at_hand(link)
        if small is None:
            small = await registry.blobs.fetch(link, Digest.parse(digest))
        if small is not None:
            return small
        async with aclosing(registry.blobs.read(link, 0, link.size - 1)) as pieces:
            return b"".join([piece async for piece in pieces])
    except Unavailable:
        raise
    except EntrepotError:  # it was lost, or is none of ours
        return b""


def _shown(children: tuple[Child, ...], wanted: str) -> Child | None:
    for platform in (wanted, *_PREFERRED):
        for each in children:
            if platform and each.platform == platform:
                return each
    return next(iter(children), None)


def _children(index: dict[str, Any]) -> list[Child]:
    """Return the images of an index, without what only belongs to them: provenance says `unknown/unknown` for its platform."""
    found: list[Child] = []
    for each in _list(index.get("manifests")):
        if len(found) == _MOST_IMAGES:
            break
        if isinstance(each, dict) and isinstance(each.get("digest"), str):
            platform = images.platform(each.get("platform"))
            if not platform.startswith("unknown/"):
                found.append(Child(platform or "any", each["digest"]))
    return found


def _layers(blobs: list[dict[str, Any]], config: dict[str, Any]) -> list[Layer]:
    """Join layers with the commands of the history, which also has those that made none."""
    left = list(blobs)
    found = []
    for step in _list(config.get("history"))[:_MOST_SHOWN]:
        if not isinstance(step, dict):
            continue
        command = _command(step.get("created_by"))
        if step.get("empty_layer") is True:
            found.append(Layer(command, "", 0))
        elif left:
            found.append(_layer(command, left.pop(0)))
    return found + [_layer("", each) for each in left[:_MOST_SHOWN]]


def _layer(command: str, blob: dict[str, Any]) -> Layer:
    digest = blob.get("digest")
    return Layer(command or images.text(blob.get("mediaType")), digest if isinstance(digest, str) else "", images.size(blob))


def _command(made_by: object) -> str:
    """Return a step of the history as the line of a Dockerfile that it was."""
    text = images.text(made_by).strip()
    for beginning in ("/bin/sh -c #(nop) ", "/bin/sh -c #(nop)"):
        if text.startswith(beginning):
            return text.removeprefix(beginning).strip()
    for beginning in ("/bin/sh -c ", "RUN /bin/sh -c "):
        if text.startswith(beginning):
            text = f"RUN {text.removeprefix(beginning)}"
            break
    return text.removesuffix(" # buildkit")


def _configuration(said: dict[str, Any]) -> Configuration:
    config = said.get("config")
    config = config if isinstance(config, dict) else {}
    variables = [images.text(each).partition("=")[::2] for each in _list(config.get("Env"))[:_MOST_SHOWN]]
    return Configuration(
        entry_point=_words(config.get("Entrypoint")),
        command=_words(config.get("Cmd")),
        user=images.text(config.get("User")),
        folder=images.text(config.get("WorkingDir")),
        stop_signal=images.text(config.get("StopSignal")),
        ports=_names(config.get("ExposedPorts")),
        volumes=_names(config.get("Volumes")),
        environment=tuple((name, value) for name, value in variables if name),
        labels=tuple(images.pairs(config.get("Labels"), _MOST_SHOWN).items()),
    )


def _words(command: object) -> str:
    """Return a command as a shell would take it."""
    if isinstance(command, str):
        return images.text(command)
    return shlex.join(images.text(each) for each in _list(command)[:_MOST_SHOWN])


def _names(found: object) -> tuple[str, ...]:
    return tuple(images.text(each) for each in list(found)[:_MOST_SHOWN]) if isinstance(found, dict) else ()


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
