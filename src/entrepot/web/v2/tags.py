"""Lists: tags (distribution-spec 1.1, end-8), the catalogue (Docker's, not OCI's), and the ping (end-1)."""

from urllib.parse import urlencode

from entrepot.domain.registry.model import Page
from entrepot.domain.registry.service import Registry
from entrepot.spec.oci.names import RepositoryName
from entrepot.web.shared.call import Answer, Call, Header
from entrepot.web.v2.requests import page_size
from entrepot.web.v2.wire import json_answer


async def ping(_call: Call, _registry: Registry) -> Answer:
    """end-1: the registry is one."""
    return json_answer(200, {})


async def catalogue(call: Call, registry: Registry) -> Answer:
    """GET /v2/_catalog: the names of all repositories that ever held a manifest."""
    limit = page_size(call)
    page = await registry.tags.catalogue(call.actor, call.one("last") or "", limit)
    return json_answer(200, {"repositories": page.names}, *_next("/v2/_catalog", page, limit))


async def list_tags(call: Call, registry: Registry, name: RepositoryName, _last: str) -> Answer:
    """end-8: tags in byte order."""
    limit = page_size(call)
    page = await registry.tags.page(call.actor, name, call.one("last") or "", limit)
    return json_answer(200, {"name": name.asked, "tags": page.names}, *_next(f"/v2/{name.asked}/tags/list", page, limit))


def _next(path: str, page: Page, limit: int) -> list[Header]:
    """Return the Link to what follows; never one for `n=0` (end-8b)."""
    if not page.more or not page.names:
        return []
    query = urlencode({"n": limit, "last": page.names[-1]})
    return [(b"link", f'<{path}?{query}>; rel="next"'.encode())]
