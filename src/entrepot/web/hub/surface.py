"""From an address to its page. A repository's pages lie below its name, behind a `-`, which is no segment of any name."""

from typing import Final

from entrepot.domain.access.errors import Renamed
from entrepot.domain.registry.service import Registry
from entrepot.spec.oci.names import RepositoryName
from entrepot.web.hub import assets
from entrepot.web.hub.pages import images
from entrepot.web.hub.pages.cards import shown_name
from entrepot.web.hub.pages.home import home
from entrepot.web.hub.pages.problems import AddressUnknown, problem
from entrepot.web.hub.rendering import Frame
from entrepot.web.hub.words import ENGLISH, words
from entrepot.web.shared.call import Answer, Call, QueryInvalid
from entrepot.web.shared.meters import PAGES

_IMAGES: Final = "/r/"
_BEHIND: Final = "/-/"


class Surface:
    """Answers browsers; `signs_in` tells that whoever pushes needs an account."""

    def __init__(self, registry: Registry, public_url: str, *, signs_in: bool) -> None:
        self._registry = registry
        self._public_url = public_url
        self._signs_in = signs_in

    async def answer(self, call: Call) -> Answer:
        """Answer with a page, whatever happens; with a file where there is one."""
        call.kind = PAGES
        found = assets.answer(call) if call.path.startswith(assets.PREFIX) else None
        if found is not None:
            return found
        path = call.path.decode("ascii", "replace")
        sought = path.removeprefix(_IMAGES).partition(_BEHIND)[0] if path.startswith(_IMAGES) else ""
        try:
            frame = Frame.of(call, self._public_url, is_curated=self._signs_in)
        except QueryInvalid as error:
            return problem(error, call, Frame(words(ENGLISH), "", "/", (), "", "", is_curated=False))
        try:
            return await self._page(call, frame, path)
        except Renamed as renamed:
            rest = path.removeprefix(f"{_IMAGES}{sought}")
            return _elsewhere(call, f"{_IMAGES}{shown_name(renamed.name.stored)}{rest}")
        except Exception as error:  # noqa: BLE001 - what is none of ours is a mistake of ours: logged there, once
            return problem(error, call, frame, sought)

    async def _page(self, call: Call, frame: Frame, path: str) -> Answer:
        if path == "/":
            return await home(call, self._registry, frame, signs_in=self._signs_in)
        if not path.startswith(_IMAGES):
            raise AddressUnknown
        if path.endswith("/") and path != _IMAGES:
            return _elsewhere(call, path.rstrip("/"))
        asked, _, rest = path.removeprefix(_IMAGES).partition(_BEHIND)
        name = RepositoryName.parse(asked)
        if path == f"{_IMAGES}{asked}":
            return await images.overview(call, self._registry, frame, name)
        if rest == "tags":
            return await images.tags(call, self._registry, frame, name)
        if rest.startswith("tags/"):
            return await images.tag(call, self._registry, frame, name, rest.removeprefix("tags/"))
        raise AddressUnknown


def _elsewhere(call: Call, path: str) -> Answer:
    """Lead to another address of ours, with the query that came."""
    query = call.scope["query_string"]
    place = path.encode() + (b"?" + query if query else b"")
    return Answer(308, [(b"location", place), (b"content-length", b"0"), (b"cache-control", b"no-store")])
