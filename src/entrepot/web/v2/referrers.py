"""Referrers: distribution-spec 1.1, end-12, "Listing Referrers"."""

from typing import Final
from urllib.parse import quote, urlencode

import msgspec

from entrepot.domain.registry.model import Referrer
from entrepot.domain.registry.service import Registry
from entrepot.spec.oci.digest import Digest
from entrepot.spec.oci.media_types import OCI_INDEX
from entrepot.spec.oci.names import RepositoryName
from entrepot.web.shared.call import Answer, Call, Header
from entrepot.web.v2.requests import NumberInvalid
from entrepot.web.v2.wire import json_answer

_MAX_DIGITS: Final = 18


async def list_referrers(call: Call, registry: Registry, name: RepositoryName, last: str) -> Answer:
    """end-12: an index of the manifests whose subject is the digest; an empty one when there are none, never 404."""
    subject = Digest.parse(last)
    # A plus that the client did not escape arrives as a space, which no media type has.
    wanted = (call.one("artifactType") or "").replace(" ", "+") or None
    after = call.one("after") or "0"
    if not (after.isascii() and after.isdecimal() and len(after) <= _MAX_DIGITS):
        raise NumberInvalid(n=after)
    found, more = await registry.manifests.referrers(call.actor, name, subject, wanted, int(after))
    headers: list[Header] = [(b"oci-filters-applied", b"artifactType")] if wanted else []
    if more:
        query = urlencode({"artifactType": wanted, "after": found[-1].id} if wanted else {"after": found[-1].id}, quote_via=quote)
        headers.append((b"link", f'</v2/{name.asked}/referrers/{subject}?{query}>; rel="next"'.encode()))
    index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [_descriptor(referrer) for referrer in found]}
    return json_answer(200, index, *headers, media_type=OCI_INDEX.encode())


def _descriptor(referrer: Referrer) -> dict[str, object]:
    descriptor: dict[str, object] = {"mediaType": referrer.media_type, "digest": referrer.digest, "size": referrer.size}
    if referrer.artifact_type:
        descriptor["artifactType"] = referrer.artifact_type
    if referrer.annotations:
        descriptor["annotations"] = msgspec.Raw(referrer.annotations.encode())
    return descriptor
