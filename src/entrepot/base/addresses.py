"""By which address a client is counted where clients share something."""

import ipaddress
from functools import lru_cache
from typing import Final

Peer = tuple[str, str]  # address and port
_REMEMBERED: Final = 4096
_IPV6_PREFIX: Final = 64  # what one household or machine is given: it has 2^64 addresses to choose from


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
