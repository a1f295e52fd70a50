"""JSON that every reader understands alike: what two decoders could read differently is refused.

Go's decoder, which most clients use, takes the last of repeated keys and matches keys to fields without regard to case;
others do not. A manifest that means one image to a scanner and another to a client is refused, not interpreted.
"""

import json
from collections.abc import Iterable
from itertools import pairwise
from typing import Any, Final, NoReturn

from entrepot.base.errors import EntrepotError

MAX_DEPTH: Final = 32
# The keys of image-spec 1.1's manifest, index, descriptor and platform, and of Docker's schema 2.
SPEC_KEYS: Final = frozenset(
    [
        "schemaVersion",
        "mediaType",
        "artifactType",
        "config",
        "layers",
        "manifests",
        "subject",
        "annotations",
        "digest",
        "size",
        "urls",
        "data",
        "platform",
        "architecture",
        "os",
        "os.version",
        "os.features",
        "variant",
        "features",
        "blobs",
    ]
)


def _folded(key: str) -> str:
    # Go folds these two letters to ASCII as well (encoding/json, foldName).
    return key.replace("\u017f", "s").replace("\u212a", "k").lower()


_FOLDED: Final = {_folded(key): key for key in SPEC_KEYS}


class JsonRefused(EntrepotError):
    """The text is not JSON, or not JSON that all decoders read alike."""

    summary = "the body is not acceptable JSON: {reason}"


def parse_object(content: bytes) -> dict[str, Any]:
    """Read `content` as a JSON object.

    Raises:
        JsonRefused: not UTF-8, not JSON, not an object, a repeated key, a key of the specification written in another
            case (outside annotations, which are maps of the user's own), or nested deeper than 32.
    """
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        raise JsonRefused(reason="it is not UTF-8") from None
    try:
        value = json.loads(text, object_pairs_hook=_unrepeated, parse_constant=_no_constant)
    except RecursionError:
        raise JsonRefused(reason=f"it nests deeper than {MAX_DEPTH} levels") from None
    except ValueError as error:
        raise JsonRefused(reason=str(error)) from None
    if not isinstance(value, dict):
        raise JsonRefused(reason="it is not an object")
    _check_below(value)
    return value


def _unrepeated(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        keys = sorted(key for key, _ in pairs)
        repeated = next(first for first, second in pairwise(keys) if first == second)
        raise JsonRefused(reason=f"the key '{repeated}' is repeated")
    return found


def _no_constant(name: str) -> NoReturn:
    raise JsonRefused(reason=f"{name} is not a JSON number")


def _check_below(top: dict[str, Any]) -> None:
    """Walk the value without recursion: depth and keys."""
    rows: list[tuple[Any, int, bool]] = [(top, 1, False)]
    while rows:
        value, depth, are_annotations = rows.pop()
        if depth > MAX_DEPTH:
            raise JsonRefused(reason=f"it nests deeper than {MAX_DEPTH} levels")
        if isinstance(value, dict):
            if not are_annotations:
                _check_keys(value)
            rows.extend(
                (below, depth + 1, key == "annotations") for key, below in value.items() if isinstance(below, dict | list)
            )
        else:
            rows.extend((below, depth + 1, False) for below in value if isinstance(below, dict | list))


def _check_keys(keys: Iterable[str]) -> None:
    for key in keys:
        if key not in SPEC_KEYS:
            meant = _FOLDED.get(_folded(key))
            if meant is not None:
                raise JsonRefused(reason=f"the key '{key}' is '{meant}' in another case, which clients read differently")
