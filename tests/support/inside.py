"""The web application inside the test's own process: requests reach it as the server would hand them over."""

import asyncio
import json
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from typing import Any, Final

import msgspec
from urllib3 import HTTPHeaderDict

from entrepot.app.parts import key_file
from entrepot.app.serving import meters, web
from entrepot.base.settings import FIELDS, Found, Settings
from entrepot.platform.secrets.keys import ensure_key
from entrepot.platform.serving.connections import Connections
from entrepot.web.front import Front
from support.http import Answer

_LIMIT_S: Final = 60.0


class Inside:
    """A web process of a hub with accounts, and a loop that it runs in."""

    def __init__(self, front: Front, loop: asyncio.AbstractEventLoop) -> None:
        self.front = front
        self.loop = loop

    def request(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        auth: str | None = None,
        headers: Mapping[str, str] | None = None,
        client: str = "192.0.2.9",
    ) -> Answer:
        """Send one request; a body that is no bytes is sent as JSON."""
        content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        told = {"host": "hub.example", **({"authorization": auth} if auth else {})}
        if content:
            told |= {"content-type": "application/json", "content-length": str(len(content))}
        told |= {name.lower(): value for name, value in (headers or {}).items()}
        return self.loop.run_until_complete(asyncio.wait_for(self._sent(method, path, content, told, client), _LIMIT_S))

    async def _sent(self, method: str, path: str, content: bytes, told: Mapping[str, str], client: str) -> Answer:
        plain, _, query = path.partition("?")
        scope: dict[str, Any] = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "scheme": "http",
            "method": method,
            "raw_path": plain.encode(),
            "path": plain,
            "query_string": query.encode(),
            "root_path": "",
            "headers": [(name.encode(), value.encode("latin-1")) for name, value in told.items()],
            "client": (client, 4711),
            "server": ("127.0.0.1", 5000),
            "extensions": {},
        }
        coming = [{"type": "http.request", "body": content, "more_body": False}]
        said: list[MutableMapping[str, Any]] = []

        async def receive() -> MutableMapping[str, Any]:
            return coming.pop() if coming else {"type": "http.disconnect"}

        async def send(message: MutableMapping[str, Any]) -> None:
            said.append(message)

        await self.front(scope, receive, send)
        answered = HTTPHeaderDict()
        for name, value in said[0]["headers"]:
            answered.add(name.decode(), value.decode())
        return Answer(said[0]["status"], answered, b"".join(each.get("body", b"") for each in said[1:]))


@contextmanager
def inside(place: Settings, **settings: Any) -> Iterator[Inside]:
    """Serve a prepared place in this process, with accounts."""
    place = msgspec.structs.replace(place, access="accounts", **{"limits": "open", "default_plan": "business", **settings})
    ensure_key(key_file(place))
    loop = asyncio.new_event_loop()
    front = web(Found(place, dict.fromkeys(FIELDS, "default")), meters(place), None, None, lambda: False, Connections(10, 5000))
    try:
        loop.run_until_complete(front._lifetime.open())
        yield Inside(front, loop)
    finally:
        loop.run_until_complete(front._lifetime.close())
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()
