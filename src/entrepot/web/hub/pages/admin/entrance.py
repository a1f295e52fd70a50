"""Who comes in: administrators who signed in with this browser. For everybody else there is nothing at these addresses."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from entrepot.domain.access.errors import Denied, Unproven
from entrepot.domain.registry.service import Registry
from entrepot.web.hub.desk import Desk
from entrepot.web.hub.pages.admin.audit import audit
from entrepot.web.hub.pages.admin.categories import categories
from entrepot.web.hub.pages.admin.jobs import job, jobs
from entrepot.web.hub.pages.admin.mode import mode
from entrepot.web.hub.pages.admin.organisations import organisation, organisations
from entrepot.web.hub.pages.admin.overview import overview
from entrepot.web.hub.pages.admin.plans import plan, plans
from entrepot.web.hub.pages.admin.reports import one_report, reports
from entrepot.web.hub.pages.admin.settings import settings
from entrepot.web.hub.pages.admin.users import user, users
from entrepot.web.hub.pages.admin.visit import ADMIN, Visit
from entrepot.web.hub.pages.problems import AddressUnknown
from entrepot.web.hub.rendering import Frame
from entrepot.web.shared.call import Answer, Call

# Pages that take forms, and those of one thing each, whose name is behind the slash.
_WHOLE: Final[Mapping[str, Callable[[Visit], Awaitable[Answer]]]] = {
    "users": users,
    "organisations": organisations,
    "plans": plans,
    "categories": categories,
    "mode": mode,
}
_READ: Final[Mapping[str, Callable[[Visit], Awaitable[Answer]]]] = {
    "": overview,
    "jobs": jobs,
    "settings": settings,
    "audit": audit,
    "reports": reports,
}
_ONE: Final[Mapping[str, Callable[[Visit, str], Awaitable[Answer]]]] = {
    "users": user,
    "organisations": organisation,
    "plans": plan,
    "jobs": job,
    "reports": one_report,
}


async def administration(call: Call, registry: Registry, frame: Frame, desk: Desk) -> Answer:
    """Answer below /admin. Raises AddressUnknown, FormRefused, FormUnreadable, QueryInvalid, RegistryReadOnly, Unavailable."""
    if frame.visitor is None:
        raise AddressUnknown
    try:
        await desk.permits.on_hub(call.actor)
    except (Denied, Unproven):
        raise AddressUnknown from None
    visit = Visit(call, frame, desk, frame.visitor, registry)
    noun, slash, name = frame.path.removeprefix(ADMIN).removeprefix("/").partition("/")
    if slash and name and noun in _ONE:
        return await _ONE[noun](visit, name)
    if slash or frame.path.endswith("/"):
        raise AddressUnknown
    if noun in _WHOLE:
        return await _WHOLE[noun](visit)
    if noun in _READ and call.method != "POST":
        return await _READ[noun](visit)
    raise AddressUnknown


__all__ = ["ADMIN", "administration"]
