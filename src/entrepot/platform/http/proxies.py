"""What reverse proxies answer in place of the registry behind them, and the setting of theirs that makes them do it."""

from typing import Final

import msgspec

_TOO_LARGE: Final = 413
_TIMEOUT: Final = 408
_NAMES: Final = (
    ("nginx", ("nginx", "openresty")),
    ("Caddy", ("caddy",)),
    ("Apache", ("apache",)),
    ("Cloudflare", ("cloudflare",)),
    ("Traefik", ("traefik",)),
)
_LIMIT: Final = {
    "nginx": "set client_max_body_size 0; in its server or location block (its default is 1m)",
    "Caddy": "remove request_body max_size, or raise it, in the site's block",
    "Traefik": "remove the buffering middleware from the router, or its maxRequestBodyBytes",
    "Apache": "set LimitRequestBody 0 for the location",
    "Cloudflare": "its plans limit bodies (100 MB and up): let pushes reach the registry by a name that it does not proxy",
}
_TIMES: Final = {
    "nginx": "raise client_body_timeout, proxy_send_timeout and proxy_read_timeout to 900s",
    "Caddy": "raise read_body under timeouts in its servers option, or leave it out",
    "Traefik": "set entryPoints.NAME.transport.respondingTimeouts.readTimeout to 0s (its default breaks off bodies after 60 s)",
}
_BEHIND: Final = {
    "nginx": "let proxy_pass name the address of --listen, and look at nginx's error log",
    "Caddy": "let reverse_proxy name the address of --listen, and look at Caddy's log",
    "Traefik": "let the service's loadBalancer name the address of --listen, and look at Traefik's log",
}
_STORES: Final = {
    "nginx": "set proxy_request_buffering off; and proxy_http_version 1.1; beside proxy_pass",
    "Caddy": "remove request_buffers from reverse_proxy",
    "Traefik": "remove the buffering middleware from the router",
}
# It says nothing of itself in its answers, so it is named wherever nobody else is recognised.
_SILENT: Final = "Traefik"


class Answer(msgspec.Struct, frozen=True):
    """What came back: header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def is_ours(self) -> bool:
        """Tell whether a registry wrote it, and not something on the way."""
        return "docker-distribution-api-version" in self.headers


def proxy_of(answer: Answer | None) -> str:
    """Return the name of the proxy that wrote the answer or handed it on, '' when nothing tells."""
    if answer is None:
        return ""
    told = " ".join(answer.headers.get(name, "") for name in ("server", "via")).lower()
    page = answer.body[:2000].decode("latin-1").lower()
    for name, signs in _NAMES:
        if any(sign in told or f"<center>{sign}" in page for sign in signs):
            return name
    return ""


def remedy(answer: Answer | None, proxy: str) -> str:
    """Say which setting to change after an answer that the registry did not write, or none (a broken connection)."""
    status = answer.status if answer else _TIMEOUT
    if status == _TOO_LARGE:
        return _told(_LIMIT, proxy)
    if status in (_TIMEOUT, 504):
        return _told(_TIMES, proxy)
    if status in (502, 503, 404):
        return _told(_BEHIND, proxy)
    # Caddy answers in several ways, by chance, when the time for a body is over.
    return f"{_told(_STORES, proxy)}; if it stays, {_told(_TIMES, proxy)}; its log says which of them it was"


def unbuffered(proxy: str) -> str:
    """Say how to make a proxy hand bodies on while they come."""
    return _told(_STORES, proxy)


def _told(settings: dict[str, str], proxy: str) -> str:
    if proxy in settings:
        return f"in {proxy}: {settings[proxy]}"
    known = [name for name in settings if name in ("nginx", "Caddy", _SILENT)]
    return "in what stands before the registry: " + "; ".join(f"for {name}: {settings[name]}" for name in known)
