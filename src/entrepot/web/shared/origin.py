"""Where a request comes from when it came through proxies that are trusted to say so."""

from collections.abc import Sequence
from typing import Final

from entrepot.base.addresses import in_networks, network_outside, spelled

# Loopback, private (RFC 1918, RFC 4193) and link-local: not all that Python calls private, which has addresses for examples too.
_NEIGHBOURS: Final = (
    *("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16"),
    *("::1/128", "fc00::/7", "fe80::/10"),
)


def origin_of(peer: str, forwarded: str, trusted: Sequence[str]) -> str:
    """Return the address behind the trusted proxies: the last one in X-Forwarded-For that is none of theirs.

    Whatever stands before it, anybody can have written. A peer that is no trusted proxy is the origin itself.
    """
    if not trusted or not in_networks(peer, trusted):
        return peer
    for each in reversed(forwarded.split(",")):
        address = _address(each.strip())
        if not address:
            return peer
        if not in_networks(address, trusted):
            return address
        peer = address
    return peer


def counted_as(client: str) -> str | None:
    """Return by which network a client's pulls are counted; None when they are not, since it is a neighbour of this machine.

    Neighbours are of this machine, of a private network, or of the same link; an address that cannot be read is none.
    """
    return network_outside(client, _NEIGHBOURS)


def _address(text: str) -> str:
    """Return the address of an entry, which some proxies write with a port; '' when it is none."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    return spelled(text)
