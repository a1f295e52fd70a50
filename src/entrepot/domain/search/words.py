"""Words: how names are cut into them, and what somebody means who types something into a search field."""

import re
import unicodedata
from typing import Final

import msgspec

from entrepot.spec.oci.digest import Digest, DigestInvalid
from entrepot.spec.oci.names import LIBRARY

LONGEST_QUERY: Final = 300  # characters that are looked at
_MOST_WORDS: Final = 12
_LONGEST_WORD: Final = 60
_LONGEST_JOINED: Final = 40
_NOT_WORDS: Final = re.compile(r"[^a-z0-9\u00aa-\uffff]+")
_RUNS: Final = re.compile(r"[0-9]+|[^0-9]+")
_COMMAND: Final = re.compile(
    r"^(?:sudo\s+)?(?:docker|podman|nerdctl|crane|skopeo|ctr)\s+(?:image\s+|images\s+)?(?:pull|run|copy|search)\s+"
)
_SCHEME: Final = re.compile(r"^(?:https?|docker|oci)://")
_TAG: Final = re.compile(r"^(?P<name>[^\s:@]+)(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}))?(?:@(?P<digest>\S+))?$")
_PREFIX: Final = f"{LIBRARY}/"


class Asked(msgspec.Struct, frozen=True):
    """What somebody looks for: words, and where it was written like one, the whole name, the tag and the digest of an image."""

    text: str
    words: tuple[str, ...] = ()
    whole: tuple[str, ...] = ()
    tag: str = ""
    digest: str = ""


def read(typed: str) -> Asked:
    """Return what somebody means: pasted commands, addresses, tags and digests are understood."""
    text = " ".join(typed[:LONGEST_QUERY].split())
    rest = _SCHEME.sub("", _COMMAND.sub("", text))
    digest = _digest(rest)
    if digest:
        return Asked(text, digest=digest)
    rest = _without_host(rest)
    found = _TAG.match(rest) if " " not in rest else None
    if found is None:
        return Asked(text, words_of(rest), _whole(rest) if " " not in rest else ())
    name = found["name"].strip("/")
    return Asked(text, words_of(name), _whole(name), found["tag"] or "", _digest(found["digest"] or ""))


def words_of(text: str) -> tuple[str, ...]:
    """Return the words of what somebody typed, each once."""
    words = (each[:_LONGEST_WORD] for each in _NOT_WORDS.split(fold(text)) if each)
    return tuple(dict.fromkeys(words))[:_MOST_WORDS]


def words_of_name(name: str) -> tuple[str, ...]:
    """Return all words by which a name is found: its parts, those cut where digits begin and end, and all of them joined."""
    parts = [each[:_LONGEST_WORD] for each in _NOT_WORDS.split(fold(name)) if each]
    found = list(parts)
    for part in parts:
        runs = _RUNS.findall(part)
        if len(runs) > 1:
            found += runs
    joined = "".join(parts)
    if len(parts) > 1 and len(joined) <= _LONGEST_JOINED:
        found.append(joined)
    return tuple(dict.fromkeys(found))


def fold(text: str) -> str:
    """Return a text in small letters without accents."""
    if text.isascii():  # nearly all: letter by letter takes half of the time in which an index is made
        return text.lower()
    return "".join(each for each in unicodedata.normalize("NFKD", text.lower()) if not unicodedata.combining(each))


def slips(one: str, other: str, most: int) -> int:
    """Return how many slips lie between two words: letters missing, too many, others, or swapped; beyond `most` that + 1."""
    if abs(len(one) - len(other)) > most:
        return most + 1
    before: list[int] = []
    row = list(range(len(other) + 1))
    for place, letter in enumerate(one, 1):
        last, before, row = before, row, [place]
        for at, there in enumerate(other, 1):
            cost = min(before[at] + 1, row[at - 1] + 1, before[at - 1] + (letter != there))
            if place > 1 and at > 1 and letter == other[at - 2] and one[place - 2] == there:
                cost = min(cost, last[at - 2] + 1)
            row.append(cost)
        if min(row) > most:
            return most + 1
    return row[-1]


def _digest(text: str) -> str:
    try:
        return str(Digest.parse(text))
    except DigestInvalid:
        return ""


def _without_host(text: str) -> str:
    """Take the name of a registry away; of a page of ours, what stands before the name too."""
    first, slash, rest = text.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        text = rest
    return text.removeprefix("r/").removeprefix("_/") if slash else text


def _whole(name: str) -> tuple[str, ...]:
    """Return the whole names that a text may be: one of one part is that of an official image."""
    name = name.lower().strip("/")
    return (name.removeprefix(_PREFIX),) if name else ()
