"""By which address a client is counted where clients share something."""

import ipaddress
from collections.abc import Collection
from functools import lru_cache
from typing import Final

Peer = tuple[str, str]  # address and port
_REMEMBERED: Final = 4096
_IPV6_PREFIX: Final = 64  # what one household or machine is given: it has 2^64 addresses to choose from
_KEPT_BITS: Final = {4: 24, 6: 48}


def peer_of(address: object, port: object) -> Peer:
    """Return a client's address and port in one spelling: some name an IPv6 address's interface beside it, some do not."""
    return str(address).partition("%")[0], str(port)


@lru_cache(maxsize=_REMEMBERED)
def network_of(client: str) -> str:
    """Return an IPv4 address itself, of an IPv6 one its /64; an IPv4 one written as IPv6 counts as what it is."""
    try:
        address = ipaddress.ip_address(client.partition("%")[0])
    except ValueError:
        return client
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((address, _IPV6_PREFIX), strict=False))
    return str(address)


def shortened(client: str) -> str:
    """Return what is kept of an address for long: the /24 of an IPv4 one, the /48 of an IPv6 one; what is none stays."""
    try:
        address = ipaddress.ip_address(client.partition("%")[0])
    except ValueError:
        return client
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return str(ipaddress.ip_network((address, _KEPT_BITS[address.version]), strict=False))


def in_networks(client: str, networks: Collection[str]) -> bool:
    """Tell whether an address is in one of the networks, in CIDR notation; without any network it is."""
    if not networks:
        return True
    try:
        address = ipaddress.ip_address(client.partition("%")[0])
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return any(address in ipaddress.ip_network(each) for each in networks)
