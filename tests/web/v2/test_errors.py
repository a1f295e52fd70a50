"""The table of errors: complete, of known codes, and every row of it really sent."""

import importlib
import pkgutil
import shutil
from collections.abc import Callable, Iterator
from typing import Final

import pytest
from urllib3 import HTTPHeaderDict

import entrepot
from entrepot.base.errors import EntrepotError, Unavailable
from entrepot.domain.access.errors import Denied, Hidden, RegistryReadOnly, Renamed, TokenRefused, Unproven
from entrepot.domain.accounts import errors as accounts
from entrepot.domain.accounts.errors import SignInRefused, TooManySignIns
from entrepot.domain.accounts.service.post import MailNotSet
from entrepot.domain.audit.errors import ActUnknown
from entrepot.domain.catalogue.errors import CatalogueRefused, CategoryMissing
from entrepot.domain.plans.errors import PlanningRefused
from entrepot.domain.registry import errors as registry
from entrepot.platform.storage.driver import ObjectLost, ObjectTooLarge, SizeMismatch, UploadBusy
from entrepot.spec.http.ranges import RangeNotSatisfiable
from entrepot.spec.oci import chunks, digest, manifest, names
from entrepot.spec.oci.strict_json import JsonRefused
from entrepot.web.shared.authorization import CredentialsUnreadable
from entrepot.web.shared.call import BodyInterrupted, BodyTooLarge, HeadersTooLarge, QueryInvalid, TargetTooLong
from entrepot.web.shared.gate import HostRefused, HostRepeated, MetricsRefused, OldHttpRefused, OriginRefused, ProxyRefused
from entrepot.web.shared.pace import BodyTooSlow
from entrepot.web.shared.transfers import TooManyBodies
from entrepot.web.v2.errors import OCI_ERRORS
from entrepot.web.v2.limits import TooManyPulls
from entrepot.web.v2.requests import FormInvalid, GrantUnknown, MethodUnknown, NumberInvalid, RouteUnknown, TooManyTags
from support.http import Answer
from support.images import INDEX
from support.instance import Instance
from support.wire import Repository, descriptor, digest_of, encoded

SPECIFICATION: Final = {
    *("BLOB_UNKNOWN", "BLOB_UPLOAD_INVALID", "BLOB_UPLOAD_UNKNOWN", "DIGEST_INVALID", "MANIFEST_BLOB_UNKNOWN"),
    *("MANIFEST_INVALID", "MANIFEST_UNKNOWN", "NAME_INVALID", "NAME_UNKNOWN", "SIZE_INVALID", "UNAUTHORIZED", "DENIED"),
    *("UNSUPPORTED", "TOOMANYREQUESTS"),
}
DOCKER: Final = {"TAG_INVALID", "RANGE_INVALID", "PAGINATION_NUMBER_INVALID", "UNAVAILABLE", "UNKNOWN", "MANIFEST_UNVERIFIED"}
TIERS: Final = ("entrepot.domain.", "entrepot.spec.", "entrepot.platform.storage.", "entrepot.web.")
# What has tables of its own: tests/web/api/test_errors.py, tests/web/hub/test_problems.py.
OTHER: Final = ("entrepot.web.api.", "entrepot.web.hub.")
# Caught where it is raised, and told as a part of ManifestInvalid.
NEVER_SENT: Final = {JsonRefused}
# What only the JSON interface and the commands that change accounts meet: tests/web/api/test_errors.py has these.
NOT_OF_THE_REGISTRY: Final = {
    kind
    for kind in vars(accounts).values()
    if isinstance(kind, type) and issubclass(kind, EntrepotError) and kind not in (SignInRefused, TooManySignIns)
} | {
    names.NamespaceInvalid,
    Hidden,
    MailNotSet,
    ActUnknown,
    *registry.NamingRefused.__subclasses__(),
    *PlanningRefused.__subclasses__(),
    *CatalogueRefused.__subclasses__(),
    CategoryMissing,
}
# No request of a test brings these about in time: everyone may do everything; nobody is left to read; a lease must be lost;
# ten thousand parts of a bucket must be sent; a repository must get several names while it is pulled.
NOT_ASKED_FOR: Final = {Denied, Renamed, BodyInterrupted, registry.UploadLost, ObjectTooLarge}
# With open access nobody signs in: test_tokens.py, test_permissions.py and test_pull_limits.py ask for these.
OF_ACCOUNTS: Final = {
    Unproven,
    TokenRefused,
    SignInRefused,
    CredentialsUnreadable,
    TooManySignIns,
    TooManyPulls,
    FormInvalid,
    GrantUnknown,
}
NONE: Final = digest_of(b"none")
ID: Final = "00000000-0000-4000-8000-000000000000"


def upload(repo: Repository, body: bytes, content_range: str) -> Answer:
    """Send a chunk to a new upload that has two bytes."""
    location = repo.begin()
    repo.client.patch(location, body=b"ab")
    return repo.client.patch(location, body=body, headers={"Content-Range": content_range})


def short(repo: Repository) -> Answer:
    """Send a chunk with fewer bytes than its range, without a length."""
    headers = {"Content-Range": "0-5", "Transfer-Encoding": "chunked"}
    return repo.client.request("PATCH", repo.begin(), body=iter([b"ab"]), headers=headers)


def in_use(repo: Repository) -> Answer:
    """Delete a layer of a stored image."""
    repo.image("v1")
    return repo.client.delete(repo.at(f"blobs/{digest_of(b'layer ')}"))


def pushed(repo: Repository, method: str, rest: str) -> Answer:
    """Send a request to a repository that has something."""
    repo.image("v1")
    return repo.client.request(method, repo.at(rest))


def outside(repo: Repository) -> Answer:
    """Ask for bytes behind the end of a blob."""
    return repo.client.get(repo.at(f"blobs/{repo.blob(b'abc')['digest']}"), headers={"Range": "bytes=5-"})


def named(repo: Repository, **headers: str) -> Answer:
    """Send a header to the ping."""
    return repo.client.get("/v2/", headers=headers)


def old_http(repo: Repository) -> Answer:
    """Send the ping as HTTP/1.0."""
    head, _, body = repo.client.raw(b"GET /v2/ HTTP/1.0\r\nHost: localhost\r\n\r\n").partition(b"\r\n\r\n")
    return Answer(int(head.split()[1]), HTTPHeaderDict(), body)


def retyped(repo: Repository) -> Answer:
    """Push the same bytes as something else."""
    content = encoded({"config": repo.blob(b"{}"), "schemaVersion": 2, "layers": []})
    assert repo.put("v1", content).status == 201
    return repo.put("v2", content, "application/vnd.example.thing+json")


REQUESTS: Final[dict[type[EntrepotError], Callable[[Repository], Answer]]] = {
    HostRefused: lambda repo: named(repo, Host="evil.example"),
    ProxyRefused: lambda repo: named(repo, Via="1.1 proxy"),
    OriginRefused: lambda repo: named(repo, Origin="https://evil.example"),
    OldHttpRefused: old_http,
    HeadersTooLarge: lambda repo: named(repo, **{"X-Long": "x" * 70_000}),
    TargetTooLong: lambda repo: repo.client.get(f"/v2/_catalog?last={'x' * 40_000}"),
    RouteUnknown: lambda repo: repo.client.get("/v2/nothing"),
    MethodUnknown: lambda repo: repo.client.post("/v2/"),
    QueryInvalid: lambda repo: repo.client.get("/v2/_catalog?last=%ff"),
    NumberInvalid: lambda repo: repo.client.get("/v2/_catalog?n=x"),
    TooManyTags: lambda repo: repo.put(NONE + "?" + "&".join(["tag=x"] * 101), b"{}"),
    BodyTooLarge: lambda repo: repo.put("v1", bytes((4 << 20) + 1)),
    names.NameInvalid: lambda repo: repo.client.get("/v2/UPPER/tags/list"),
    names.TagInvalid: lambda repo: repo.client.get(repo.at("manifests/.x")),
    digest.DigestInvalid: lambda repo: repo.client.get(repo.at("blobs/sha256:x")),
    manifest.ManifestInvalid: lambda repo: repo.put("v1", b"{}"),
    chunks.ChunkRangeInvalid: lambda repo: upload(repo, b"cd", "bytes 2-3"),
    chunks.ChunkSizeInvalid: lambda repo: upload(repo, b"cd", "2-4"),
    RangeNotSatisfiable: outside,
    registry.RepositoryUnknown: lambda repo: repo.client.get(repo.at("tags/list")),
    registry.ManifestUnknown: lambda repo: pushed(repo, "GET", "manifests/absent"),
    registry.BlobUnknown: lambda repo: pushed(repo, "GET", f"blobs/{NONE}"),
    registry.ReferencesUnknown: lambda repo: repo.put(
        "v1", encoded({"schemaVersion": 2, "manifests": [descriptor(b"none")]}), INDEX
    ),
    registry.ManifestDigestMismatch: lambda repo: repo.put(NONE, encoded({"schemaVersion": 2, "manifests": []}), INDEX),
    registry.ManifestTypeFixed: retyped,
    registry.BlobDigestMismatch: lambda repo: repo.finish(repo.begin(), NONE, b"other"),
    registry.BlobInUse: in_use,
    registry.UploadUnknown: lambda repo: repo.client.get(repo.at(f"blobs/uploads/{ID}")),
    registry.UploadOutOfOrder: lambda repo: upload(repo, b"cd", "3-4"),
    registry.ChunkIncomplete: short,
}


def leaves() -> Iterator[type[EntrepotError]]:
    """Give every error of the tiers that a request reaches which has no subclass."""
    for module in pkgutil.walk_packages(entrepot.__path__, "entrepot."):
        if module.name.startswith(TIERS) and not module.name.startswith(OTHER):
            importlib.import_module(module.name)
    seen: set[type[EntrepotError]] = set()
    waiting: list[type[EntrepotError]] = [EntrepotError]
    while waiting:
        kind = waiting.pop()
        below = kind.__subclasses__()
        waiting += below
        home = f"{kind.__module__}."
        if not below and kind not in seen and home.startswith(TIERS) and not home.startswith(OTHER):
            seen.add(kind)
            yield kind


@pytest.mark.fast
def test_every_error_that_a_request_can_meet_has_a_row_of_its_own_or_of_its_parents() -> None:
    found = set(leaves())
    assert len(found) > 30
    without = {kind for kind in found if not set(kind.__mro__) & set(OCI_ERRORS) and kind not in NOT_OF_THE_REGISTRY}
    assert without == NEVER_SENT


@pytest.mark.fast
def test_every_code_is_of_the_specification_or_of_docker() -> None:
    assert {row.code for row in OCI_ERRORS.values()} <= SPECIFICATION | DOCKER
    assert all(400 <= row.status < 600 and row.status != 500 for row in OCI_ERRORS.values())


@pytest.mark.fast
def test_every_row_has_a_request_below_that_brings_it_about() -> None:
    elsewhere = {Unavailable, ObjectLost, SizeMismatch, UploadBusy, HostRepeated, MetricsRefused}
    elsewhere |= {*OF_ACCOUNTS, BodyTooSlow, TooManyBodies, registry.TooManyUploads, RegistryReadOnly}
    assert set(REQUESTS) | NOT_ASKED_FOR | elsewhere == set(OCI_ERRORS)
    sent = {OCI_ERRORS[kind].code for kind in (*REQUESTS, Unavailable, TooManyBodies, SignInRefused)}
    assert sent == {row.code for row in OCI_ERRORS.values()}


@pytest.mark.parametrize("kind", REQUESTS, ids=lambda kind: kind.__name__)
def test_the_error_is_sent_with_the_code_and_status_of_its_row(repo: Repository, kind: type[EntrepotError]) -> None:
    answer = REQUESTS[kind](repo)
    assert (answer.error_code, answer.status) == (OCI_ERRORS[kind].code, OCI_ERRORS[kind].status)
    beginning = kind.summary.partition("{")[0].strip(" '")
    assert beginning in answer.json["errors"][0]["message"]


def test_a_store_that_does_not_answer_is_told_with_when_to_try_again(serve: Callable[..., Instance]) -> None:
    hub = serve()
    repo = Repository(hub.client(), "demo/hello")
    location = repo.begin()
    shutil.rmtree(hub.data / "uploads")
    (hub.data / "uploads").touch()
    answer = repo.client.patch(location, body=b"abc")
    assert (answer.status, answer.error_code) == (503, "UNAVAILABLE")
    assert answer.headers["Retry-After"] == "5"
    assert str(hub.data) not in answer.content.decode()
    (hub.data / "uploads").unlink()
    (hub.data / "uploads").mkdir()
    assert repo.finish(location, digest_of(b"abc"), b"abc").status == 201, "it works again as soon as the store does"


def test_an_upload_whose_bytes_were_lost_is_refused(serve: Callable[..., Instance]) -> None:
    hub = serve()
    repo = Repository(hub.client(), "demo/hello")
    location = repo.begin()
    repo.client.patch(location, body=b"abc")
    (file,) = (hub.data / "uploads").iterdir()
    file.write_bytes(b"ab")
    answer = repo.finish(location, digest_of(b"abcd"), b"d")
    assert (answer.error_code, answer.status) == (OCI_ERRORS[SizeMismatch].code, OCI_ERRORS[SizeMismatch].status)
    assert "2 bytes in the store where 3 were recorded" in answer.json["errors"][0]["message"]
