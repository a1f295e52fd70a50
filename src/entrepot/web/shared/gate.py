"""Who may talk to an open registry at all, and who may read metrics.

Only someone on this machine talks to an open registry, directly, and never a page of another site.

Without accounts everyone who reaches the registry may change everything. So it must be certain that nobody reaches it whom
the administrator did not mean: no browser that was lured by a name which points here, no proxy that carries the world in.
"""

import ipaddress
from typing import Final
from urllib.parse import urlsplit

from entrepot.base.errors import EntrepotError
from entrepot.web.shared.call import Call

_DEFAULT_PORTS: Final = {"http": ":80", "https": ":443"}
_PROXY_HEADERS: Final = (b"forwarded", b"via", b"x-real-ip", b"x-client-ip", b"true-client-ip")
_PROXY_PREFIXES: Final = (b"x-forwarded", b"cf-")
_LONGEST_HOST: Final = 255  # of a name in the DNS
_MAX_REMEMBERED: Final = 1000


class HostRefused(EntrepotError):
    """The request names a host that is not this registry's."""

    summary = (
        "this registry is open to everyone who reaches it, so it answers only as localhost or as its --public-url, not as "
        "'{host}': use localhost, or start it with --public-url"
    )


class HostRepeated(EntrepotError):
    """The request names two hosts: which one counts, everything on its way may have decided differently (RFC 9112, 3.2)."""

    summary = "the request has more than one Host header: send one"


class ProxyRefused(EntrepotError):
    """The request came through a proxy."""

    summary = (
        "this registry is open to everyone who reaches it, and this request came through a proxy (its header {header} says so), "
        "so that anyone could be behind it: reach it directly"
    )


class OldHttpRefused(EntrepotError):
    """The request is of HTTP/1.0: no client speaks it any more, but nginx does to what stands behind it unless told not to."""

    summary = (
        "this registry is open to everyone who reaches it, and only a proxy would speak HTTP/1.0 to it, so that anyone could be "
        "behind this request: reach it directly"
    )


class OriginRefused(EntrepotError):
    """A page of another site made a browser send the request."""

    summary = (
        "this registry is open to everyone who reaches it, so it takes no request that a page of another site ({origin}) made"
    )


class MetricsRefused(EntrepotError):
    """The request for metrics came from elsewhere."""

    summary = (
        "metrics are for this machine and the networks of --metrics-allow, asked for directly; this request came from {client}"
        "{through}"
    )


class MetricsGate:
    """Who may read metrics: this machine and the networks that were named."""

    def __init__(self, networks: str) -> None:
        self._networks = [ipaddress.ip_network(each.strip()) for each in networks.split(",") if each.strip()]

    def check(self, call: Call) -> None:
        """Do nothing when the request may be answered.

        Raises:
            MetricsRefused
        """
        # Through a proxy on this machine, everyone comes from this machine.
        proxy = next((name for name in call.headers if name.startswith(b"x-forwarded") or name in _PROXY_HEADERS), None)
        if proxy is not None:
            raise MetricsRefused(client=call.client, through=f" through a proxy (its header {proxy.decode('latin-1')} says so)")
        try:
            client = ipaddress.ip_address(call.client)
        except ValueError:
            raise MetricsRefused(client=call.client, through="") from None
        if isinstance(client, ipaddress.IPv6Address) and client.ipv4_mapped:
            client = client.ipv4_mapped
        if not (client.is_loopback or any(client in network for network in self._networks)):
            raise MetricsRefused(client=client, through="")


class OpenGate:
    """The rule of `--access open`."""

    def __init__(self, public_url: str) -> None:
        self._public_hosts = _spellings(public_url.lower())
        self._accepted: set[bytes] = set()

    async def check(self, call: Call) -> None:
        """Do nothing when the request may come in.

        Raises:
            HostRefused, HostRepeated, OldHttpRefused, ProxyRefused, OriginRefused
        """
        headers = call.headers
        if call.repeats(b"host"):
            raise HostRepeated
        if call.is_old_http:
            raise OldHttpRefused
        host = headers.get(b"host", b"")
        if host not in self._accepted:
            self._check_host(host)
        for name in headers:
            # Most names are told apart by their first letter.
            if name[0] in b"cfostvx" and not (name == b"sec-fetch-site" and _is_visit(call)):
                self._check_header(name, headers)

    def _check_host(self, host: bytes) -> None:
        text = host.decode("latin-1").lower()
        # An IPv6 address may name a network card behind a %, of any length: no client means this registry by that.
        is_sane = len(host) <= _LONGEST_HOST and b"%" not in host
        if not is_sane or not (is_local(_without_port(text)) or text in self._public_hosts):
            raise HostRefused(host=text)
        if len(self._accepted) < _MAX_REMEMBERED:
            self._accepted.add(host)

    def _check_header(self, name: bytes, headers: dict[bytes, bytes]) -> None:
        if name.startswith(_PROXY_PREFIXES) or name in _PROXY_HEADERS:
            raise ProxyRefused(header=name.decode("latin-1"))
        if name == b"origin":
            origin = headers[name].decode("latin-1").lower()
            if _host_of(origin) != headers.get(b"host", b"").decode("latin-1").lower():
                raise OriginRefused(origin=origin)
        if name == b"sec-fetch-site" and headers[name] not in (b"same-origin", b"none"):
            raise OriginRefused(origin=headers[name].decode("latin-1"))


def _is_visit(call: Call) -> bool:
    """Tell whether somebody follows a link to a page of ours: it opens on its own, and whoever links to it learns nothing."""
    headers = call.headers
    is_page = call.method in ("GET", "HEAD") and not call.path.startswith((b"/v2", b"/api", b"/token"))
    return is_page and headers.get(b"sec-fetch-mode") == b"navigate" and headers.get(b"sec-fetch-dest") == b"document"


def _spellings(url: str) -> set[str]:
    """Return the ways in which a client may write the host of an address: with its scheme's own port or without it."""
    parts = urlsplit(url)
    if not parts.netloc:
        return set()
    port = _DEFAULT_PORTS[parts.scheme]
    host = parts.netloc.removesuffix(port)
    return {host, host + port} if host == _without_port(host) else {host}


def _host_of(origin: str) -> str | None:
    """Return the host and port of an origin, None when it cannot be read as one."""
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return None


def _without_port(host: str) -> str:
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdecimal() else host


def is_local(host: str) -> bool:
    """Tell whether `host` (a name or an address, an IPv6 one with or without brackets) is this machine's loopback."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.removeprefix("[").removesuffix("]")).is_loopback
    except ValueError:
        return False
