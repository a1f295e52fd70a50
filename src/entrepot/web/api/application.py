"""The surface that the front hands requests to, and the document that describes it.

A request is read here before FastAPI sees it: who sends it, and its body, bounded and strict. What FastAPI answers is taken as a
whole, and every error comes out of it as it was raised, so that all answers are made in one place.
"""

import re
from collections.abc import Iterator, MutableMapping
from typing import Any, Final

import msgspec
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from entrepot.web.api import bodies, nouns
from entrepot.web.api.asking import SCOPE, Asked, Verbs
from entrepot.web.api.errors import SAFE, AddressUnknown, FieldInvalid, MethodRefused, refusal
from entrepot.web.api.models import Problem
from entrepot.web.api.routing import APPLICATION, PREFIX
from entrepot.web.shared.authorization import ApiGate
from entrepot.web.shared.call import Answer, Call
from entrepot.web.shared.meters import API

_DESCRIPTION: Final = f"{PREFIX}/openapi.json"
_PAGE: Final = b"/api/docs"  # which shows the document to people
_BRINGING: Final = frozenset({"POST", "PUT", "PATCH"})
_LONGEST_REASON: Final = 300
_REFUSALS: Final = {
    401: "Nobody has signed in, or not so that it proves anything.",
    403: "Whoever asks may not do this, or a rule forbids it.",
    404: "It is not there, or not for whoever asks.",
    409: "Something that is there is in the way.",
    422: "A field cannot be used: `detail.field` names it.",
    429: "Too much of something: `Retry-After` says when to try again.",
    503: "The database or the disk does not answer: `Retry-After` says when to try again.",
}
# The beginnings of Docker Hub's paths: first segments that no repository has (spec/oci/names.py). The front compares them.
_LENGTH: Final = 5
BEGINNINGS: Final = frozenset(
    word[:_LENGTH] for word in (b"users", b"auth/", b"repositories", b"namespaces", b"access-tokens", b"search")
)


def _described() -> bytes:
    """Return the document that describes the interface (OpenAPI 3.1); refusals are the same everywhere and said once."""
    document = APPLICATION.openapi()
    components = document["components"]
    components["schemas"]["Problem"] = Problem.model_json_schema()
    shown = {"application/json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    components["responses"] = {f"Refused{status}": {"description": text, "content": shown} for status, text in _REFUSALS.items()}
    for item in document["paths"].values():
        for operation in item.values():
            operation["responses"] |= {str(status): {"$ref": f"#/components/responses/Refused{status}"} for status in _REFUSALS}
    components["securitySchemes"] = {each: {"type": "http", "scheme": each} for each in ("basic", "bearer")}
    document["security"] = [{}, {"basic": []}, {"bearer": []}]
    return msgspec.json.encode(document)


DOCUMENT: Final = _described() if nouns.ALL else b""  # when the files of all nouns have added their routes


def paths() -> Iterator[tuple[str, str]]:
    """Give every method and path that there is, as the document writes them."""
    for path, item in APPLICATION.openapi()["paths"].items():
        yield from ((method.upper(), path) for method in item)


_HUB_PATHS: Final = tuple(
    re.compile(re.sub(r"\{[a-z]+\}", "[^/]+", path)) for path in sorted({path for _, path in paths() if path.startswith("/v2/")})
)


class Surface:
    """Answers what the front hands over: all below /api/, and below /v2/ Docker Hub's paths and nothing else."""

    beginnings = BEGINNINGS

    def __init__(self, gate: ApiGate, verbs: Verbs, public_url: str) -> None:
        self._gate = gate
        self._verbs = verbs
        self._public_url = public_url

    def takes(self, path: bytes) -> bool:
        """Tell whether an address is one of this interface's."""
        if path.startswith(b"/api/"):
            return path != _PAGE
        if path[4 : 4 + _LENGTH] not in BEGINNINGS:
            return False
        text = _plain(path)
        return any(each.fullmatch(text) for each in _HUB_PATHS)

    async def answer(self, call: Call) -> Answer:
        """Answer a request, or say why not."""
        call.kind = API
        call.challenged_as = self._public_url
        try:
            by_token = await self._gate.check(call)
            if call.path.decode("ascii", "replace") == _DESCRIPTION and call.method in ("GET", "HEAD"):
                return _whole(200, [(b"content-type", b"application/json")], DOCUMENT)
            call.all("")  # a query that cannot be read is refused
            content = await bodies.read(call) if call.method in _BRINGING else b""
            call.actor = call.acting
            return await self._framed(call, content, Asked(call, self._verbs.acting(call.actor.author), by_token))
        except Exception as error:  # noqa: BLE001 - what is none of ours is a mistake of ours: logged there, once
            return self.refusal(_ours(error, call), call)

    def refusal(self, error: Exception, call: Call) -> Answer:
        """Return the answer for an error, in the form that the address has."""
        return refusal(error, call, as_hub=call.path.startswith(b"/v2/"))

    async def _framed(self, call: Call, content: bytes, asked: Asked) -> Answer:
        """Let FastAPI answer, and return what it says when it has ended."""
        scope = {**call.scope, "path": _plain(call.path), "root_path": "", "app": APPLICATION, SCOPE: asked}
        scope["method"] = "GET" if call.method == "HEAD" else call.method
        scope["headers"] = [(name, value) for name, value in call.scope["headers"] if name != b"content-length"]
        said: list[MutableMapping[str, Any]] = []

        async def receive() -> MutableMapping[str, Any]:
            return {"type": "http.request", "body": content, "more_body": False}

        async def send(message: MutableMapping[str, Any]) -> None:
            said.append(message)

        await APPLICATION(scope, receive, send)
        headers = [(name, value) for name, value in said[0]["headers"] if name == b"content-type"]
        return _whole(said[0]["status"], headers, b"".join(each.get("body", b"") for each in said[1:]))


def _whole(status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> Answer:
    length = [(b"content-length", b"%d" % len(body))] if body else []
    return Answer(status, [*headers, *length, *SAFE], body)


def _plain(path: bytes) -> str:
    """Return a path as it came, so that an escaped slash is none; Docker Hub's end with a slash or without."""
    text = path.decode("ascii", "replace")
    return text.removesuffix("/") if text.startswith("/v2/") else text


def _ours(error: Exception, call: Call) -> Exception:
    """Return an error of the framework as one of ours."""
    if isinstance(error, RequestValidationError):
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"][1:]) or str(first["loc"][0])
        return FieldInvalid(field=field, reason=str(first["msg"])[:_LONGEST_REASON])
    if isinstance(error, HTTPException):
        allowed = (error.headers or {}).get("Allow") or (error.headers or {}).get("allow", "")
        return MethodRefused(call.method, allowed) if allowed else AddressUnknown()
    return error
