"""Clients' addresses: in one spelling, by which of them a client is counted, and in which networks they are.

Asked with every request, so an address is read by the C library into its bytes, which compare as addresses do. Only what is slow
is remembered: a hub for everybody is asked by more addresses than can be.
"""

import ipaddress
import socket
from bisect import bisect_right
from collections.abc import Collection, Sequence
from functools import lru_cache
from typing import Final

Peer = tuple[str, str]  # address and port
_REMEMBERED: Final = 4096
_IPV6_PREFIX_BYTES: Final = 8  # a /64 is what one household or machine is given: it has 2^64 addresses to choose from
_IPV4_BYTES: Final = 4
_IPV6_BYTES: Final = 16
_MAPPED: Final = bytes(10) + b"\xff\xff"  # how an IPv4 address is written as an IPv6 one (RFC 4291, section 2.5.5.2)
_KEPT_BYTES: Final = {4: 3, 16: 6}  # of an address of that many bytes


def peer_of(address: object, port: object) -> Peer:
    """Return a client's address and port in one spelling: some name an IPv6 address's interface beside it, some do not."""
    return str(address).partition("%")[0], str(port)


def network_of(client: str) -> str:
    """Return an IPv4 address itself, of an IPv6 one its /64; an IPv4 one written as IPv6 counts as what it is."""
    packed = _packed(client)
    return client if packed is None else _network(packed)


def network_outside(client: str, networks: tuple[str, ...]) -> str | None:
    """Return the network of an address that is in none of `networks`, in CIDR notation; None when it is in one of them."""
    packed = _packed(client)
    if packed is None:
        return client
    return None if _is_in(packed, networks) else _network(packed)


def spelled(text: str) -> str:
    """Return an address in its one spelling; '' when it is none."""
    packed = _packed(text)
    return "" if packed is None else _text(packed)


def shortened(client: str) -> str:
    """Return what is kept of an address for long: the /24 of an IPv4 one, the /48 of an IPv6 one; what is none stays."""
    packed = _packed(client.partition("/")[0])  # of a network its first address
    if packed is None:
        return client
    kept = _KEPT_BYTES[len(packed)]
    return f"{_text(packed[:kept] + bytes(len(packed) - kept))}/{8 * kept}"


def in_networks(client: str, networks: Collection[str]) -> bool:
    """Tell whether an address is in one of the networks, in CIDR notation; without any network it is."""
    if not networks:
        return True
    packed = _packed(client)
    return packed is not None and _is_in(packed, tuple(networks))


def _network(packed: bytes) -> str:
    if len(packed) == _IPV4_BYTES:
        return socket.inet_ntop(socket.AF_INET, packed)
    return f"{_text(packed[:_IPV6_PREFIX_BYTES] + bytes(_IPV6_PREFIX_BYTES))}/64"


def _is_in(packed: bytes, networks: tuple[str, ...]) -> bool:
    firsts, lasts = _spans(networks)[len(packed)]
    place = bisect_right(firsts, packed) - 1
    return place >= 0 and packed <= lasts[place]


def _packed(text: str) -> bytes | None:
    """Return an address as bytes, 4 or 16 of them; None when it is none."""
    try:
        if ":" not in text:
            return socket.inet_pton(socket.AF_INET, text.partition("%")[0])
        return socket.inet_pton(socket.AF_INET6, text.partition("%")[0]).removeprefix(_MAPPED)
    except (OSError, ValueError):  # a NUL within is no OSError
        return None


def _text(packed: bytes) -> str:
    # The C library spells IPv6 addresses as it did before RFC 5952 in places, and IPv4 ones six times faster.
    return socket.inet_ntop(socket.AF_INET, packed) if len(packed) == _IPV4_BYTES else _long_text(packed)


@lru_cache(maxsize=_REMEMBERED)
def _long_text(packed: bytes) -> str:
    return str(ipaddress.IPv6Address(packed))


@lru_cache(maxsize=64)
def _spans(networks: tuple[str, ...]) -> dict[int, tuple[list[bytes], list[bytes]]]:
    """Return, by the length of addresses, the first and the last address of the networks, in order and none within another."""
    found = [ipaddress.ip_network(each) for each in networks]
    short = sorted(ipaddress.collapse_addresses(each for each in found if isinstance(each, ipaddress.IPv4Network)))
    long = sorted(ipaddress.collapse_addresses(each for each in found if isinstance(each, ipaddress.IPv6Network)))
    return {_IPV4_BYTES: _ends(short), _IPV6_BYTES: _ends(long)}


def _ends(networks: Sequence[ipaddress.IPv4Network | ipaddress.IPv6Network]) -> tuple[list[bytes], list[bytes]]:
    return [each.network_address.packed for each in networks], [each.broadcast_address.packed for each in networks]
