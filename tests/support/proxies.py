"""Real Caddy and Traefik in front of something on loopback, hiding that they stand there, as open access asks it."""

from pathlib import Path
from string import Template
from types import TracebackType
from typing import Final, Self

from support.http import Client
from support.processes import Server, accepts, free_port
from support.tools import program

_LIMIT_S: Final = 60.0
_HIDDEN: Final = (
    "X-Forwarded-For",
    "X-Forwarded-Proto",
    "X-Forwarded-Host",
    "X-Forwarded-Port",
    "X-Forwarded-Server",
    "X-Real-Ip",
    "Via",
)
_CADDY: Final = Template("""
{
    admin off
    auto_https off
    persist_config off
    storage file_system $folder/storage
    servers {
        $server
    }
}
http://127.0.0.1:$port {
    $site
    reverse_proxy 127.0.0.1:$to {
        $hide
        $proxy
    }
}
""")
_TRAEFIK_STATIC: Final = Template("""
global: {checkNewVersion: false, sendAnonymousUsage: false}
log: {level: ERROR}
entryPoints:
  web:
    address: 127.0.0.1:$port
    transport: {respondingTimeouts: {$times}}
providers: {file: {filename: $folder/dynamic.yml, watch: false}}
""")
_TRAEFIK_DYNAMIC: Final = Template("""
http:
  routers: {all: {rule: "PathPrefix(`/`)", service: registry, middlewares: [$middlewares]}}
  middlewares:
    hide: {headers: {customRequestHeaders: {$hide}}}
    limit: {buffering: {$buffering}}
  services: {registry: {loadBalancer: {servers: [{url: "http://127.0.0.1:$to"}]}}}
""")


class _Proxy:
    """One that runs until the end of its block."""

    def __init__(self, name: str, folder: Path, port: int, *words: str) -> None:
        found = program(name)
        self._port = port
        own = {"HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
        self._server = Server([str(found.path), *words], log=folder / "log", environment=found.surroundings(**own))
        self._server.wait_until(lambda: accepts(port) and self._routes(), _LIMIT_S)

    @property
    def url(self) -> str:
        """Return its address."""
        return f"http://127.0.0.1:{self._port}"

    def _routes(self) -> bool:
        # Traefik answers 404 until it has read its own routes.
        try:
            return Client(self.url).get("/readyz").status != 404
        except OSError:  # its time limit is a short one
            return False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._server.kill()


class Caddy(_Proxy):
    """Caddy with lines of its own in the options of the server, in the site, and in `reverse_proxy`."""

    def __init__(self, folder: Path, to: int, *, server: str = "", site: str = "", proxy: str = "") -> None:
        folder.mkdir()
        port, file = free_port(), folder / "Caddyfile"
        hide = "\n        ".join(f"header_up -{name}" for name in _HIDDEN)
        text = _CADDY.substitute(folder=folder, port=port, to=to, server=server, site=site, proxy=proxy, hide=hide)
        file.write_text(text, "utf-8")
        super().__init__("caddy", folder, port, "run", "--adapter", "caddyfile", "--config", str(file))


class Traefik(_Proxy):
    """Traefik with time limits for bodies, and with a buffering middleware if it is given settings."""

    def __init__(self, folder: Path, to: int, *, times: str = "readTimeout: 60s", buffering: str = "") -> None:
        folder.mkdir()
        port = free_port()
        hide = ", ".join(f'{name}: ""' for name in _HIDDEN)
        static = _TRAEFIK_STATIC.substitute(folder=folder, port=port, times=times)
        middlewares = "hide, limit" if buffering else "hide"
        dynamic = _TRAEFIK_DYNAMIC.substitute(
            to=to, hide=hide, middlewares=middlewares, buffering=buffering or "maxRequestBodyBytes: 0"
        )
        (folder / "static.yml").write_text(static, "utf-8")
        (folder / "dynamic.yml").write_text(dynamic, "utf-8")
        super().__init__("traefik", folder, port, f"--configFile={folder}/static.yml")
