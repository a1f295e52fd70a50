"""Mounts: a blob of another repository without its bytes being sent again."""

import pytest

from support.http import Client
from support.wire import Repository, digest_of

ALGORITHMS = pytest.mark.parametrize("algorithm", ["sha256", "sha512"])


@pytest.fixture
def source(client: Client, repository: str) -> Repository:
    """Another repository that has a blob."""
    return Repository(client, f"{repository}/source")


@ALGORITHMS
@pytest.mark.parametrize("named", [True, False])
def test_a_blob_is_mounted_with_and_without_naming_its_source(
    repo: Repository, source: Repository, algorithm: str, *, named: bool
) -> None:
    content = f"{repo.name} {algorithm} {named}".encode()
    digest = source.blob(content, algorithm=algorithm)["digest"]
    assert not repo.has_blob(digest)
    answer = repo.client.post(repo.at(f"blobs/uploads/?mount={digest}" + (f"&from={source.name}" if named else "")))
    assert (answer.status, answer.content) == (201, b"")
    assert answer.headers["Location"] == repo.at(f"blobs/{digest}")
    assert answer.headers["Docker-Content-Digest"] == digest
    assert repo.client.get(answer.headers["Location"]).content == content


@pytest.mark.parametrize("more", ["", "&from=nobody/nothing", "&from=", "&digest-algorithm=sha512"])
def test_a_mount_of_what_is_not_there_begins_an_ordinary_upload(repo: Repository, more: str) -> None:
    content = f"never seen before by anyone {repo.name}".encode()
    location = repo.begin(f"?mount={digest_of(content)}{more}")
    assert repo.finish(location, digest_of(content), content).status == 201


def test_a_mount_from_a_repository_without_the_blob_begins_an_upload_though_another_has_it(
    repo: Repository, source: Repository
) -> None:
    digest = source.blob(repo.name.encode())["digest"]
    other = Repository(repo.client, f"{repo.name}/other")
    other.image("v1")
    repo.begin(f"?mount={digest}&from={other.name}")
    assert not repo.has_blob(digest)


def test_a_mount_beside_a_digest_of_the_same_blob_still_begins_an_upload(repo: Repository) -> None:
    digest = digest_of(repo.name.encode())
    repo.begin(f"?mount={digest}&digest={digest}")


def test_the_mounted_blob_stays_when_the_source_deletes_its_own(repo: Repository, source: Repository) -> None:
    content = repo.name.encode()
    digest = source.blob(content)["digest"]
    assert repo.client.post(repo.at(f"blobs/uploads/?mount={digest}&from={source.name}")).status == 201
    assert source.client.delete(source.at(f"blobs/{digest}")).status == 202
    assert not source.has_blob(digest)
    assert repo.client.get(repo.at(f"blobs/{digest}")).content == content


def test_a_blob_can_be_mounted_from_its_own_repository_and_again(repo: Repository) -> None:
    digest = repo.blob(repo.name.encode())["digest"]
    for _ in range(2):
        assert repo.client.post(repo.at(f"blobs/uploads/?mount={digest}&from={repo.name}")).status == 201


def test_the_source_may_be_named_by_the_short_name_of_library(repo: Repository) -> None:
    library = Repository(repo.client, "mounted")
    digest = library.blob(repo.name.encode())["digest"]
    assert repo.client.post(repo.at(f"blobs/uploads/?mount={digest}&from=mounted")).status == 201


@pytest.mark.parametrize("source_name", ["UPPER", "search/x", "a//b", "%25"])
def test_nothing_is_mounted_from_what_is_no_repository(repo: Repository, source: Repository, source_name: str) -> None:
    digest = source.blob(f"{repo.name} {source_name}".encode())["digest"]
    repo.begin(f"?mount={digest}&from={source_name}")
    assert not repo.has_blob(digest)


def test_a_source_that_cannot_be_read_is_refused(repo: Repository) -> None:
    answer = repo.client.post(repo.at(f"blobs/uploads/?mount={digest_of(b'x')}&from=%00"))
    assert (answer.status, answer.error_code) == (400, "UNSUPPORTED")
