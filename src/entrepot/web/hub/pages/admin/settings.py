"""The settings in force, and where each came from; secrets are not told."""

from collections.abc import Sequence

import msgspec

from entrepot.web.hub.office import InForce
from entrepot.web.hub.pages.admin.visit import Visit
from entrepot.web.shared.call import Answer


class InForcePage(msgspec.Struct, frozen=True):
    """All settings, as this machine has them."""

    settings: Sequence[InForce]


async def settings(visit: Visit) -> Answer:
    """GET /admin/settings."""
    return visit.page("settings", InForcePage(visit.office.settings))
