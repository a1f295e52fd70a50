"""From an address under /v2/ to its handler.

A repository's name may contain `blobs`, `manifests` and `tags`, so addresses are read from the right, on the path as it came:
an escaped character in a name is refused, so that no two spellings can mean one repository.
"""

from collections.abc import Awaitable, Callable
from typing import Final

from entrepot.base.errors import EntrepotError
from entrepot.domain.access.errors import Renamed
from entrepot.domain.registry.service import Registry
from entrepot.spec.oci.names import NameInvalid, RepositoryName
from entrepot.web.shared import meters
from entrepot.web.shared.call import Answer, Call
from entrepot.web.v2 import blobs, manifests, referrers, tags, uploads
from entrepot.web.v2.errors import oci_error
from entrepot.web.v2.limits import PullLimits
from entrepot.web.v2.pulls import counting
from entrepot.web.v2.requests import MethodUnknown, RouteUnknown, unquoted
from entrepot.web.v2.tokens import TokenService

Handler = Callable[[Call, Registry, RepositoryName, str], Awaitable[Answer]]

_MANIFESTS: Final[dict[str, Handler]] = {
    "GET": manifests.get_manifest,
    "HEAD": manifests.get_manifest,
    "PUT": manifests.put_manifest,
    "DELETE": manifests.delete_manifest,
}
_BLOBS: Final[dict[str, Handler]] = {"GET": blobs.get_blob, "HEAD": blobs.head_blob, "DELETE": blobs.delete_blob}
_UPLOADS: Final[dict[str, Handler]] = {"POST": uploads.post_upload}
_UPLOAD: Final[dict[str, Handler]] = {
    "GET": uploads.get_upload,
    "HEAD": uploads.get_upload,
    "PATCH": uploads.patch_upload,
    "PUT": uploads.put_upload,
    "DELETE": uploads.delete_upload,
}
_TAGS: Final[dict[str, Handler]] = {"GET": tags.list_tags, "HEAD": tags.list_tags}
_REFERRERS: Final[dict[str, Handler]] = {"GET": referrers.list_referrers, "HEAD": referrers.list_referrers}
_BY_NOUN: Final = (
    ("/manifests", _MANIFESTS, meters.MANIFESTS),
    ("/blobs/uploads", _UPLOAD, meters.UPLOADS),
    ("/blobs", _BLOBS, meters.BLOBS),
    ("/referrers", _REFERRERS, meters.REFERRERS),
)
_BY_ENDING: Final = (
    ("/blobs/uploads/", _UPLOADS, meters.UPLOADS),
    ("/blobs/uploads", _UPLOADS, meters.UPLOADS),
    ("/tags/list", _TAGS, meters.TAGS),
)
_WITHOUT_NAME: Final = {"": (tags.ping, meters.BASE), "_catalog": (tags.catalogue, meters.CATALOGUE)}
_RENAMES: Final = 3  # while a request is answered
_PREFIX: Final = len("/v2/")


class Router:
    """Answers every request under /v2/, the mistaken ones too."""

    def __init__(
        self, registry: Registry, tokens: TokenService | None = None, limits: PullLimits | None = None, *, counts: bool = True
    ) -> None:
        """Take what answers; with `counts` pulls are counted."""
        self._registry = registry
        pull = limits.get_manifest if limits else manifests.get_manifest
        self._pull = counting(pull) if counts else pull
        # Addresses of this interface that lie beside /v2/.
        self.beside: dict[bytes, Callable[[Call], Awaitable[Answer]]] = (
            {} if tokens is None else {b"/token": tokens.answer, b"/.well-known/jwks.json": tokens.keys}
        )

    async def answer(self, call: Call) -> Answer:
        """Find the handler and return its answer, or the error's."""
        try:
            # Other bytes than ASCII are in no address of ours: what replaces them is in none either.
            path = call.path.decode("ascii", "replace")[_PREFIX:]
            if path in _WITHOUT_NAME:
                handle, call.kind = _WITHOUT_NAME[path]
                if call.method not in ("GET", "HEAD"):
                    raise MethodUnknown(call.method, "GET, HEAD")
                return await handle(call, self._registry)
            methods, call.kind, name, last = _route(path)
            handler = methods.get(call.method)
            if handler is None:
                raise MethodUnknown(call.method, ", ".join(methods))
            if handler is manifests.get_manifest:
                handler = self._pull
            if "%" in name:
                raise NameInvalid(name=name)
            return await self._done(call, handler, RepositoryName.parse(name), last)
        except EntrepotError as error:
            return oci_error(error, call)

    async def _done(self, call: Call, handler: Handler, name: RepositoryName, last: str) -> Answer:
        """Do what is asked for; under a former name, what it leads to is asked for instead, and nobody notices.

        Clients follow no redirection of names: what they are answered has the name that they asked for.
        """
        for _ in range(_RENAMES):
            try:
                return await handler(call, self._registry, name, last)
            except Renamed as renamed:  # before anything of a body was read
                name = renamed.name
        return await handler(call, self._registry, name, last)


def _route(path: str) -> tuple[dict[str, Handler], int, str, str]:
    """Split a path into its noun's methods and kind, the name and the last segment.

    Raises:
        RouteUnknown
    """
    head, _, last = path.rpartition("/")
    for noun, methods, kind in _BY_NOUN:
        if head.endswith(noun):
            if last in ("", "uploads") and noun.startswith("/blobs"):
                break
            return methods, kind, head[: -len(noun)], unquoted(last)
    for ending, methods, kind in _BY_ENDING:
        if path.endswith(ending):
            return methods, kind, path[: -len(ending)], ""
    raise RouteUnknown(path=f"/v2/{path}")
