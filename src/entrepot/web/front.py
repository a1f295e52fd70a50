"""The ASGI application: who may come in, which surface answers, and what is said when something of ours is broken."""

import logging
import time
from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple, Protocol

from entrepot.base.errors import EntrepotError
from entrepot.web.metrics import Metrics
from entrepot.web.shared.call import Answer, Call, Receive, Scope, Send, respond, text_answer
from entrepot.web.shared.meters import HEALTH, INCOMING, OUTGOING
from entrepot.web.shared.request_ids import RequestIds
from entrepot.web.v2.errors import OCI_ERRORS, log_refusal, oci_error
from entrepot.web.v2.router import Router

_log: Final = logging.getLogger(__name__)
_OK: Final = 200
_CREATED: Final = 201
_BRINGING: Final = frozenset({"POST", "PUT", "PATCH"})
_FIRST_ERROR: Final = 400
_TOO_MANY: Final = 429
_REST: Final = 16 << 20  # bytes of a refused body that are still taken
_LITTLE: Final = 64 << 10
_LOGGED_AGENT: Final = 200
_WELCOME: Final = """This is Entrepot, a container registry.

Push an image:   docker tag IMAGE {host}/demo/hello:v1 && docker push {host}/demo/hello:v1
Pull it:         docker pull {host}/demo/hello:v1
List:            {scheme}://{host}/v2/_catalog
"""


class Gate(Protocol):
    """Decides who may talk to us."""

    async def check(self, call: Call) -> None:
        """Raise an EntrepotError when the request may not come in; note in the call who sends it."""


class Surface(Protocol):
    """Another interface than the registry's; `beginnings` are five bytes behind /v2/ with which addresses of its may begin."""

    beginnings: frozenset[bytes]

    def takes(self, path: bytes) -> bool:
        """Tell whether an address is one of its."""

    async def answer(self, call: Call) -> Answer:
        """Answer a request to such an address, which finds out by itself who sends it."""

    def refusal(self, error: Exception, call: Call) -> Answer:
        """Return the answer for an error."""


class Pages(Protocol):
    """What answers browsers, or clients that search."""

    async def answer(self, call: Call) -> Answer:
        """Answer a request; with a page, whatever happens."""


class Interfaces(NamedTuple):
    """What answers: the registry's interface behind its gate, pages, the search of clients, and with accounts the JSON interface.

    `pages` and `search` are asked for with the first of them: what makes them takes time, and pulls come first.
    """

    v2: Router
    gate: Gate
    pages: Callable[[], Pages]
    search: Callable[[], Pages]
    api: Surface | None = None


class Lifetime(Protocol):
    """What must be opened before the first request and closed after the last one."""

    async def open(self) -> None:
        """Connect."""

    async def close(self) -> None:
        """Disconnect."""


class Front:
    """The one ASGI callable."""

    def __init__(
        self,
        interfaces: Interfaces,
        lifetime: Lifetime,
        metrics: Metrics,
        *,
        ready: Callable[[], Awaitable[str]],  # what /readyz says; '' when we are not
        access_log: bool,
    ) -> None:
        self._v2 = interfaces.v2
        self._gate = interfaces.gate
        self._lifetime = lifetime
        self._metrics = metrics
        self._meters = metrics.meters
        self._transfers = metrics.meters.transfers
        self._running = metrics.meters.transfers.running
        self._ready = ready
        self._access_log = access_log
        self._ids = RequestIds()
        self._api = interfaces.api
        self._pages = interfaces.pages
        self._search = interfaces.search
        self._beginnings = interfaces.api.beginnings if interfaces.api else frozenset()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or the application's own start and end."""
        if scope["type"] != "http":
            await self._live(receive, send)
            return
        began = time.perf_counter()
        call = Call(scope, receive, self._ids)
        incoming = call.method in _BRINGING
        peer = call.peer
        running = self._running
        running[peer] = call
        status = 0
        if incoming:
            self._meters.transfer(INCOMING, 1)
        try:
            status = await self._serve(call, send)
        finally:
            if incoming:
                self._meters.transfer(INCOMING, -1)
                self._transfers.let_go(call)
            if call.reserved_bytes:
                call.let_go()
            # The connection's next request may have begun already: a client asks as soon as it has the last byte.
            if running.get(peer) is call:
                del running[peer]
            took_s = time.perf_counter() - began
            self._meters.count(call, status, took_s)
        if self._access_log:
            _log.info("answered", extra={**call.about(), **_outcome(call, status, took_s)})
        if incoming:
            # Whoever sends too much at a time is not helped to send more.
            await call.rest(_LITTLE if status == _TOO_MANY else _REST)

    async def _serve(self, call: Call, send: Send) -> int:
        """Answer the request and return the answer's status."""
        try:
            if call.method in _BRINGING:
                self._transfers.take(call)
            answer = await self._answer(call)
            if answer.stream is not None:
                await answer.begin()
        except Exception as error:  # noqa: BLE001 - what is none of ours is a mistake of ours: logged there, once
            answer = self._api.refusal(error, call) if self._api and self._is_api(call) else oci_error(error, call)
        if _is_write(call.method, answer.status):
            _log.info("written", extra={**call.about(), "status": answer.status})
        outgoing = answer.stream is not None
        if outgoing:
            self._meters.transfer(OUTGOING, 1)
        try:
            await respond(answer, call, send)
        except Exception as error:
            # What was sent cannot be taken back: the server breaks off the connection, so that the client notices.
            call.failure = error
            _log.error("answer_broken_off", extra={**call.about(), "sent_bytes": call.sent_bytes}, exc_info=error)
            raise
        finally:
            if outgoing:
                self._meters.transfer(OUTGOING, -1)
        return answer.status

    async def _answer(self, call: Call) -> Answer:
        call.check_size()
        # What else lies below /v2/ costs pulls no more than this comparison.
        if call.path.startswith(b"/v2") and not (call.path[4:9] in self._beginnings and self._is_api(call)):
            try:
                await self._gate.check(call)
            except EntrepotError as error:
                return oci_error(error, call)
            if call.path == b"/v2":
                call.path = b"/v2/"
            if call.path.startswith(b"/v2/"):
                return await self._v2.answer(call)
        return await self._beside(call)

    def _is_api(self, call: Call) -> bool:
        return self._api is not None and self._api.takes(call.path)

    async def _beside(self, call: Call) -> Answer:
        if call.path in self._v2.beside:
            return await self._v2.beside[call.path](call)
        if call.path == b"/healthz":
            call.kind = HEALTH
            return text_answer(200, "alive\n")
        if call.path == b"/readyz":
            call.kind = HEALTH
            ready = await self._ready()
            return text_answer(200, ready) if ready else text_answer(503, "not ready\n", [(b"retry-after", b"2")])
        if call.path.startswith(b"/v1/"):
            return await self._search().answer(call)
        return await self._api.answer(call) if self._api and self._is_api(call) else await self._other(call)

    async def _other(self, call: Call) -> Answer:
        try:
            if call.path == b"/metrics" and call.method in ("GET", "HEAD"):
                return await self._metrics.answer(call)
            await self._gate.check(call)
        except EntrepotError as error:
            row = OCI_ERRORS[type(error)]
            log_refusal(error, row, call)
            return text_answer(row.status, f"{error.message}\n")
        if call.method in ("GET", "HEAD", "POST") and _is_for_people(call):
            return await self._pages().answer(call)
        if call.path == b"/" and call.method in ("GET", "HEAD"):
            return text_answer(
                200, _WELCOME.format(host=call.header(b"host"), scheme=call.scheme), [(b"x-content-type-options", b"nosniff")]
            )
        return text_answer(404, "There is nothing here: the registry's interface begins at /v2/\n")

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                try:
                    await self._lifetime.open()
                except Exception as error:  # noqa: BLE001 - granian takes what escapes here for leave to serve without a start
                    reason = f"{type(error.__cause__ or error).__name__}: {error.__cause__ or error}"
                    _log.error("start_failed", extra={"reason": reason}, exc_info=_unforeseen(error))
                    await send({"type": "lifespan.startup.failed", "message": str(error)})
                    return
                await send({"type": "lifespan.startup.complete"})
            elif message["type"] == "lifespan.shutdown":
                await self._lifetime.close()
                await send({"type": "lifespan.shutdown.complete"})
                return


def _unforeseen(error: Exception) -> Exception | None:
    """Return an error that is none of ours: only that one's traceback tells anything."""
    return None if isinstance(error, EntrepotError) else error


def _is_for_people(call: Call) -> bool:
    """Tell whether a browser asks, or somebody for what only a page needs: programs are answered in words without markup."""
    return (
        call.path.startswith((b"/r/", b"/static/"))
        or call.path == b"/robots.txt"
        or b"text/html" in call.headers.get(b"accept", b"")
    )


def _is_write(method: str, status: int) -> bool:
    """Tell whether something was stored or deleted: of what POST does, a mount and a blob in one request."""
    changes = method in ("PUT", "DELETE") or (method == "POST" and status == _CREATED) or (method == "PATCH" and status == _OK)
    return status < _FIRST_ERROR and changes


def _outcome(call: Call, status: int, took_s: float) -> dict[str, object]:
    return {
        "status": status,
        "duration_ms": round(took_s * 1000, 1),
        "received_bytes": call.received_bytes,
        "sent_bytes": call.sent_bytes,
        "agent": call.header(b"user-agent")[:_LOGGED_AGENT],
    }
