"""From an address to its page. A repository's pages lie below its name, behind a `-`, which is no segment of any name."""

from typing import Final
from urllib.parse import quote

import msgspec

from entrepot.domain.access.errors import Renamed
from entrepot.domain.registry.service import Registry
from entrepot.spec.oci.names import RepositoryName
from entrepot.web.hub import assets
from entrepot.web.hub.desk import Desk
from entrepot.web.hub.face import DOCUMENTS, Face
from entrepot.web.hub.pages import images
from entrepot.web.hub.pages.account import ACCOUNT, account
from entrepot.web.hub.pages.admin.entrance import ADMIN, administration
from entrepot.web.hub.pages.api import API, api
from entrepot.web.hub.pages.cards import shown_name
from entrepot.web.hub.pages.compare import compare
from entrepot.web.hub.pages.documents import document
from entrepot.web.hub.pages.home import home
from entrepot.web.hub.pages.joining import FORGOTTEN, LINKS, SIGN_UP, forgotten, link, sign_up
from entrepot.web.hub.pages.organisations import OF_NAMESPACES, organisations
from entrepot.web.hub.pages.own import OWN, own
from entrepot.web.hub.pages.problems import AddressUnknown, problem
from entrepot.web.hub.pages.profiles import profile
from entrepot.web.hub.pages.publishers import ORGANISATIONS, PROFILES, Visit
from entrepot.web.hub.pages.reporting import report
from entrepot.web.hub.pages.search import SEARCH, SUGGEST, search, suggest
from entrepot.web.hub.pages.settings import may_describe, settings
from entrepot.web.hub.pages.sharing import sharing
from entrepot.web.hub.pages.signing import sign_in, sign_out
from entrepot.web.hub.pages.starring import picture, star
from entrepot.web.hub.pages.tags import tags
from entrepot.web.hub.pages.tokens import NEW, TOKENS, new_token, revoke, tokens
from entrepot.web.hub.rendering import Frame, to
from entrepot.web.hub.shop import Shop
from entrepot.web.hub.visiting import Visitor
from entrepot.web.hub.words import ENGLISH, words
from entrepot.web.shared.call import Answer, Call, QueryInvalid
from entrepot.web.shared.meters import PAGES

PLAIN: Final = Face()
_IMAGES: Final = "/r/"
_BEHIND: Final = "/-/"
_AT_DESK: Final = ("/accounts/", "/admin", "/me", ORGANISATIONS, "/sign-in", "/sign-out", "/sign-up")


class Surface:
    """Answers browsers; with a `desk` there are accounts, and whoever pushes needs one."""

    def __init__(self, registry: Registry, shop: Shop, public_url: str, desk: Desk | None, face: Face = PLAIN) -> None:
        self._registry = registry
        self._shop = shop
        self._public_url = public_url
        self._desk = desk
        self._signs_in = desk is not None
        self._face = face

    async def answer(self, call: Call) -> Answer:
        """Answer with a page, whatever happens; with a file where there is one."""
        call.kind = PAGES
        found = (assets.answer(call) if call.path.startswith(assets.PREFIX) else None) or self._face.answer(call)
        if found is not None:
            return found
        path = call.path.decode("ascii", "replace")
        sought = path.removeprefix(_IMAGES).partition(_BEHIND)[0] if path.startswith(_IMAGES) else ""
        try:
            frame = msgspec.structs.replace(Frame.of(call, self._public_url, is_curated=self._signs_in), face=self._face)
        except QueryInvalid as error:
            return problem(error, call, Frame(words(ENGLISH), "", "/", (), "", "", is_curated=False))
        try:
            if self._desk is not None:
                frame = msgspec.structs.replace(frame, visitor=await self._desk.visits.recognise(call, frame.scheme))
                if path.startswith(_AT_DESK):
                    return await self._at(self._desk, call, frame, path)
            return await self._page(call, frame, path)
        except Renamed as renamed:
            rest = path.removeprefix(f"{_IMAGES}{sought}")
            return _elsewhere(call, f"{_IMAGES}{shown_name(renamed.name.stored)}{rest}")
        except Exception as error:  # noqa: BLE001 - what is none of ours is a mistake of ours: logged there, once
            return problem(error, call, frame, sought)

    async def _at(self, desk: Desk, call: Call, frame: Frame, path: str) -> Answer:
        """Answer where people sign in, and where only those who have are let in."""
        if path == "/sign-in":
            return await sign_in(call, frame, desk)
        if path == "/sign-out" and call.method == "POST":
            return await sign_out(call, frame, desk)
        if path.startswith((SIGN_UP, FORGOTTEN, LINKS)):
            return await _joining(call, frame, desk, path)
        if path == ADMIN or path.startswith(f"{ADMIN}/"):
            return await administration(call, self._registry, frame, desk)
        if path != OWN and not path.startswith((f"{OWN}/", ORGANISATIONS)):
            raise AddressUnknown
        if frame.visitor is None:
            return _first_sign_in(call, path)
        return await self._own(desk, call, frame, frame.visitor, path)

    async def _own(self, desk: Desk, call: Call, frame: Frame, visitor: Visitor, path: str) -> Answer:
        if path == OWN and call.method != "POST":
            return await own(call, self._registry, self._shop, frame, desk, visitor)
        if path.startswith(OF_NAMESPACES):
            return await organisations(Visit(call, (self._registry, self._shop), frame, desk, visitor), path)
        if path == ACCOUNT:
            return await account(call, frame, desk, visitor)
        if path == TOKENS:
            return await tokens(call, frame, desk, visitor)
        if path == NEW and call.method != "POST":
            return await new_token(call, frame)
        if path.startswith(f"{TOKENS}/"):
            return await revoke(call, frame, desk, visitor, path.removeprefix(f"{TOKENS}/"))
        raise AddressUnknown

    async def _page(self, call: Call, frame: Frame, path: str) -> Answer:
        if path.startswith(_IMAGES):
            if path.endswith("/") and path != _IMAGES:
                return _elsewhere(call, path.rstrip("/"))
            return await self._image(call, frame, path)
        if call.method == "POST":
            raise AddressUnknown
        return await self._looking(call, frame, path)

    async def _looking(self, call: Call, frame: Frame, path: str) -> Answer:
        if path.startswith(PROFILES):
            return await profile(call, (self._registry, self._shop), frame, self._desk, path.removeprefix(PROFILES))
        if path in (SEARCH, SUGGEST):
            return await (search if path == SEARCH else suggest)(call, frame, self._shop)
        if path == API and self._desk is not None:
            return await api(call, frame, self._desk.interface)
        if path.removeprefix("/") in DOCUMENTS:
            return await document(call, frame, path.removeprefix("/"))
        if path != "/":
            raise AddressUnknown
        return await home(call, self._registry, self._shop, frame, signs_in=self._signs_in)

    async def _image(self, call: Call, frame: Frame, path: str) -> Answer:
        asked, _, rest = path.removeprefix(_IMAGES).partition(_BEHIND)
        name = RepositoryName.parse(asked)
        if self._desk is not None and frame.visitor is not None:
            if rest == "settings":
                return await settings(call, (self._registry, self._shop), frame, self._desk, frame.visitor, name)
            if rest == "access":
                return await sharing(Visit(call, (self._registry, self._shop), frame, self._desk, frame.visitor), name)
            frame = msgspec.structs.replace(frame, may_set=await may_describe(call, self._desk, name))
        if rest in ("settings", "access") and self._signs_in:
            return _first_sign_in(call, path)
        if rest == "report" and self._desk is not None:
            return await report(call, self._registry, self._desk.office.reports, frame, name)
        if call.method == "POST":
            return await self._deed(call, frame, path, name, rest)
        return await self._shown(call, frame, name, rest if path != f"{_IMAGES}{asked}" else "")

    async def _deed(self, call: Call, frame: Frame, path: str, name: RepositoryName, rest: str) -> Answer:
        if rest != "star" or not self._signs_in:
            raise AddressUnknown
        if frame.visitor is None:
            return _first_sign_in(call, path.partition(_BEHIND)[0])
        return await star(call, frame, self._shop, frame.visitor, name)

    async def _shown(self, call: Call, frame: Frame, name: RepositoryName, rest: str) -> Answer:
        if not rest:
            return await images.overview(call, self._registry, self._shop, frame, name)
        if rest == "tags":
            return await tags(call, self._registry, self._shop, frame, name)
        if rest == "compare":
            return await compare(call, self._registry, self._shop, frame, name)
        if rest.startswith("tags/"):
            return await images.tag(call, self._registry, self._shop, frame, name, rest.removeprefix("tags/"))
        if rest.startswith("badge/"):
            return await picture(call, self._registry, self._shop, name, rest.removeprefix("badge/"))
        raise AddressUnknown


async def _joining(call: Call, frame: Frame, desk: Desk, path: str) -> Answer:
    if path == SIGN_UP:
        return await sign_up(call, frame, desk)
    if path == FORGOTTEN:
        return await forgotten(call, frame, desk)
    if path.startswith(LINKS):
        return await link(call, frame, desk, path.removeprefix(LINKS))
    raise AddressUnknown


def _first_sign_in(call: Call, path: str) -> Answer:
    """Lead to the sign-in, and from there back to where somebody was."""
    query = call.scope["query_string"].decode("ascii", "replace")
    return to(f"/sign-in?next={quote(f'{path}?{query}' if query else path)}")


def _elsewhere(call: Call, path: str) -> Answer:
    """Lead to another address of ours, with the query that came."""
    query = call.scope["query_string"]
    place = path.encode() + (b"?" + query if query else b"")
    return Answer(308, [(b"location", place), (b"content-length", b"0"), (b"cache-control", b"no-store")])
