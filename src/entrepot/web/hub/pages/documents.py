"""The legal notice, the terms and what is said of privacy: texts of the hub's owner."""

import msgspec
from markupsafe import Markup

from entrepot.web.hub.pages.problems import AddressUnknown
from entrepot.web.hub.rendering import Frame, page
from entrepot.web.shared.call import Answer, Call


class DocumentPage(msgspec.Struct, frozen=True):
    """One of these texts; `word` says which."""

    word: str
    text: Markup


async def document(call: Call, frame: Frame, word: str) -> Answer:
    """GET /legal, /terms, /privacy. Raises AddressUnknown where there is no such text."""
    found = frame.face.documents.get(word)
    if found is None:
        raise AddressUnknown
    return page(call, frame, "document.html", DocumentPage(word, found))
