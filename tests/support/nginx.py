"""A real nginx in front of something on loopback, with lines of a test's own or a whole configuration from a page."""

import os
from pathlib import Path
from string import Template
from types import TracebackType
from typing import Final, Self

from support.processes import Server, accepts, free_port
from support.tools import program

_LIMIT_S: Final = 20.0
_CONFIG: Final = Template("""
$user
worker_processes 1;
pid $folder/pid;
error_log stderr error;
events { worker_connections 64; }
http {
    access_log off;
    client_body_temp_path $folder/body;
    proxy_temp_path $folder/proxy;
    fastcgi_temp_path $folder/fastcgi;
    uwsgi_temp_path $folder/uwsgi;
    scgi_temp_path $folder/scgi;
    $blocks
}
""")
_SERVER: Final = Template("""
server {
    listen 127.0.0.1:$port;
    location / {
        proxy_pass http://127.0.0.1:$to;
        proxy_http_version 1.1;
        $lines
    }
}
""")


class Nginx:
    """Hands everything on to a port of this machine, with these lines in its location."""

    def __init__(self, folder: Path, to: int, *lines: str) -> None:
        self._port = free_port()
        self._server = started(folder, self._port, _SERVER.substitute(port=self._port, to=to, lines=" ".join(lines)))

    @property
    def url(self) -> str:
        """Return its address."""
        return f"http://127.0.0.1:{self._port}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._server.stop(_LIMIT_S)


def started(folder: Path, port: int, blocks: str) -> Server:
    """Start one with these blocks of the `http` part, which make it listen on the port; whoever starts it stops it."""
    found = program("nginx")
    folder.mkdir()
    config = folder / "nginx.conf"
    user = "user root;" if os.geteuid() == 0 else ""
    config.write_text(_CONFIG.substitute(folder=folder, user=user, blocks=blocks), encoding="utf-8")
    command = [str(found.path), "-p", str(folder), "-e", "stderr", "-c", str(config), "-g", "daemon off;"]
    server = Server(command, log=folder / "log", environment=found.surroundings())
    server.wait_until(lambda: accepts(port), _LIMIT_S)
    return server
