"""What counts as a pull: told to whoever pulled, and as a sum to everybody who sees the repository."""

import asyncio

from entrepot.app.parts import Parts
from entrepot.domain.access.model import ANYONE
from entrepot.spec.oci.names import RepositoryName
from support import manifests
from support.http import Answer
from support.inside import Inside, inside
from support.parts import parts, push_blob
from web.api.conftest import Hub

NAME = "team/app-counted"


async def images(hub: Hub) -> str:
    """Push an image, an index of it, and something that belongs to it; return the image's digest."""
    async with parts(hub.place) as whole:
        config, layer = await push_blob(whole, NAME, b"{}"), await push_blob(whole, NAME, b"layer")
        image, name = manifests.image(config, layer), RepositoryName.parse(NAME)
        signature = manifests.image(config, subject=manifests.descriptor(image.digest, image.media_type))
        for manifest, tag in ((image, "v1"), (image, "sha256-1.sig"), (manifests.index(image.digest), "all"), (signature, "sig")):
            await whole.registry.manifests.push(ANYONE, name, manifest, None, [tag])
        return str(image.digest)


def flushed(served: Inside) -> None:
    whole = served.front._lifetime
    assert isinstance(whole, Parts)
    served.loop.run_until_complete(whole.registry.pulls.flush())


def test_pulls_are_told_to_their_owner_and_as_a_sum(hub: Hub) -> None:
    digest, path = asyncio.run(images(hub)), f"/v2/{NAME}/manifests"

    def pull(who: str, last: str, method: str = "GET", **headers: str) -> Answer:
        return hub.inside.request(method, f"{path}/{last}", auth=hub.headers[who], headers=headers)

    assert [pull("owner", last).status for last in ("v1", digest, "all", "sha256-1.sig", "sig", "none")] == [200] * 5 + [404]
    assert pull("owner", "v1", "HEAD").status == 200
    assert pull("owner", digest, **{"If-None-Match": f'"{digest}"'}).status == 304
    assert pull("owner, token read", "v1").status == pull("robot, read", "v1").status == pull("admin", "v1").status == 200
    flushed(hub.inside)
    own = hub.ask("owner", "GET", "/api/v1/namespaces/owner/pulls").json["items"]
    assert {(each["repository"], each["source"], each["token_name"]) for each in own} == {
        (NAME, "192.0.2.9", "read"),
        (NAME, "192.0.2.9", None),
    }
    assert sum(each["pulls"] for each in own) == 3
    robots = hub.ask("owner", "GET", "/api/v1/namespaces/team/pulls").json["items"]
    assert [(each["token_name"], each["pulls"]) for each in robots if each["repository"] == NAME] == [("read", 1)]
    for who, namespace, status in (
        ("editor", "team", 403),
        ("stranger", "owner", 404),
        ("admin", "owner", 200),
        ("nobody", "owner", 401),
    ):
        assert hub.ask(who, "GET", f"/api/v1/namespaces/{namespace}/pulls").status == status, who
    assert hub.ask("owner", "GET", "/api/v1/namespaces/owner/usage").json["pulls"] >= 3
    shown = hub.ask("owner", "GET", f"/api/v1/repositories/{NAME}").json
    assert (shown["pulls"], shown["pulled_at"] is not None) == (5, True)
    assert hub.ask("owner", "GET", f"/v2/repositories/{NAME}/").json["pull_count"] == 5


def test_nothing_is_counted_where_it_is_switched_off(hub: Hub) -> None:
    with inside(hub.place, count_pulls=False) as served:
        assert served.request("GET", "/v2/team/app-public/manifests/v1").status == 200
        flushed(served)
        assert served.request("GET", "/api/v1/repositories/team/app-public").json["pulls"] == 0
