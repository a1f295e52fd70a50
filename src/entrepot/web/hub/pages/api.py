"""The JSON interface described by a page, for those who write programs."""

from typing import Final

import msgspec

from entrepot.web.hub.interface import Interface, read
from entrepot.web.hub.rendering import Frame, page
from entrepot.web.shared.call import Answer, Call

API: Final = "/api/docs"


class ApiPage(msgspec.Struct, frozen=True):
    """The interface, and under which address it is asked."""

    interface: Interface
    address: str


async def api(call: Call, frame: Frame, document: bytes) -> Answer:
    """GET /api/docs."""
    scheme, host = frame.place
    return page(call, frame, "api.html", ApiPage(read(document), f"{scheme}://{host}"))
