"""Scopes of the token service: `type[(class)]:name:action{,action}` (Distribution, "Token Scope Documentation").

A name may hold a host with a port, so the type ends at the first colon and the actions begin behind the last one.
"""

import re
from collections.abc import Iterable
from typing import Final

import msgspec

_TYPE: Final = re.compile(r"([a-z0-9]+)(?:\(([a-z0-9]+)\))?")
_MOST: Final = 100  # scopes in a request: a push that mounts from many repositories asks for some dozens
_MOST_ACTIONS: Final = 10


class Scope(msgspec.Struct, frozen=True):
    """What a client asks a token for."""

    type: str
    name: str
    actions: tuple[str, ...]


def parse_scopes(texts: Iterable[str]) -> list[Scope]:
    """Read scopes, several in a text separated by spaces; what cannot be read is left out, as clients expect (gitea 25846)."""
    found: list[Scope] = []
    for text in " ".join(texts).split():
        kind, _, rest = text.partition(":")
        name, colon, actions = rest.rpartition(":")
        matched = _TYPE.fullmatch(kind)
        if matched is None or not colon or not name:
            continue
        listed = tuple(dict.fromkeys(each for each in actions.split(",") if each))[:_MOST_ACTIONS]
        found.append(Scope(matched[1], name, listed))
        if len(found) == _MOST:
            break
    return found
