"""What can go wrong in the registry, in its own words. The wire form is decided in `entrepot.web.v2.errors`."""

from collections.abc import Sequence

from entrepot.base.errors import EntrepotError
from entrepot.spec.oci.digest import Digest


class RegistryError(EntrepotError):
    """Base of every error that this feature raises; each leaf has a row in the OCI error table."""


class NamingRefused(EntrepotError):
    """Base of what those are told who change names and what repositories say of themselves: no request under /v2/ meets it."""


class RepositoryUnknown(RegistryError):
    """No repository of that name, or none that anything was pushed to."""

    summary = "no repository '{repository}': check the name, or push to it first"


class RepositoryExists(NamingRefused):
    """Another repository has that name."""

    summary = "there is a repository '{repository}' already: choose another name, or delete that one first"


class NamespaceUnknown(NamingRefused):
    """There is no user and no organisation of that name."""

    summary = "there is no user and no organisation '{name}'"


class NamespaceNotEmpty(NamingRefused):
    """There are repositories in the namespace."""

    summary = "there are repositories in '{name}': transfer or delete them first"


class NamespaceTaken(NamingRefused):
    """A user or an organisation has, or once had, that name."""

    summary = "the name '{name}' is taken: choose another one"


class NameTooLong(NamingRefused):
    """A repository's whole name would be too long."""

    summary = "'{name}' is too long: with it the name of a repository would have more than {most} characters"


class TooManyHeld(NamingRefused):
    """As many former names are held for a namespace as may be."""

    summary = "'{name}' has {most} former names, which are held for it: release one first"


class NameNotHeld(NamingRefused):
    """The name is in use, or nobody ever had it."""

    summary = "the name '{name}' is not held for anybody: {reason}"


class TextTooLong(NamingRefused):
    """A description or a README is longer than it may be."""

    summary = "the {what} has {length} characters: at most {most} are kept"


class ManifestUnknown(RegistryError):
    """The repository has no manifest under that tag or digest."""

    summary = "'{reference}' is not in {repository}: it was never pushed there, or has been deleted"


class BlobUnknown(RegistryError):
    """The repository has no blob of that digest."""

    summary = "blob {digest} is not in {repository}: push it there, or mount it from a repository that has it"


class ReferencesUnknown(RegistryError):
    """A pushed manifest names blobs or manifests that the repository does not have."""

    summary = "the manifest names {count} objects that {repository} does not have: push {digests} first"

    def __init__(self, repository: str, digests: Sequence[str]) -> None:
        super().__init__(repository=repository, count=len(digests), digests=", ".join(digests[:3]))
        self.digests = digests


class ManifestDigestMismatch(RegistryError):
    """The manifest was pushed under a digest that is not its own."""

    summary = "the manifest's digest is {found}, not {asked}: its bytes were changed on the way"


class ManifestTypeFixed(RegistryError):
    """The same bytes are stored under another media type: what a digest means must not depend on who pushed it last."""

    summary = "{digest} is stored as {stored} already, so it cannot be pushed as {asked}: delete it first, or push it as that"


class BlobDigestMismatch(RegistryError):
    """The uploaded bytes do not have the digest that was said; the upload is discarded."""

    summary = "the uploaded bytes have the digest {found}, not {asked}: start the upload again"


class BlobInUse(RegistryError):
    """The blob cannot be deleted: a manifest of the repository names it."""

    summary = "blob {digest} is part of a manifest of {repository}: delete that manifest first"


class UploadUnknown(RegistryError):
    """The repository has no such upload: it has ended, was cancelled, or belongs to another one."""

    summary = "no upload {upload} in {repository}: it has ended, expired, or was begun elsewhere; start a new one"


class TooManyUploads(RegistryError):
    """The client's address has as many uploads open as one may have."""

    summary = (
        "{address} has {limit} uploads open, which is as many as one address may have: finish or cancel some, or try later: one "
        "on which nothing happened for {rest_s} seconds does not count; the registry's administrator can allow more with "
        "--uploads-per-address"
    )


class UploadOutOfOrder(RegistryError):
    """A chunk does not begin where the last one ended."""

    summary = "the chunk begins at byte {first}, but the upload has {received} bytes: continue from there"

    def __init__(self, *, first: int, received: int, upload: str) -> None:
        super().__init__(first=first, received=received)
        self.upload = upload
        self.received = received


class ChunkIncomplete(RegistryError):
    """The body of a chunk has not as many bytes as its range; nothing of it is kept."""

    summary = "the chunk's range has {expected} bytes, but its body had {found}: send the chunk again"


class UploadLost(RegistryError):
    """Another request took the upload over while this one was writing."""

    summary = "another request has continued upload {upload} meanwhile: ask for its offset and continue from there"


def mismatch(found: str, asked: Digest) -> dict[str, str]:
    """Return the facts of a digest that is not the one asked for."""
    return {"found": f"{asked.algorithm}:{found}", "asked": str(asked)}
