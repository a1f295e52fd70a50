"""Referrers: what points at a manifest, filtered and in pages."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

import pytest

from support.http import Answer
from support.images import CONFIG, INDEX, MANIFEST
from support.instance import Instance
from support.wire import Repository, descriptor, digest_of, encoded

SBOM = "application/vnd.example.sbom+json"
ALGORITHMS = pytest.mark.parametrize("algorithm", ["sha256", "sha512"])


def refer(repo: Repository, subject: dict[str, Any], artifact_type: str | None = None, **more: Any) -> bytes:
    """Push a manifest that names the subject; return it."""
    kind = {"artifactType": artifact_type} if artifact_type else {}
    config = repo.blob(b"{}", CONFIG)
    body = {"schemaVersion": 2, "mediaType": MANIFEST, **kind, "config": config, "layers": [], "subject": subject, **more}
    content = encoded(body)
    answer = repo.put(digest_of(content), content)
    assert (answer.status, answer.headers["OCI-Subject"]) == (201, subject["digest"])
    return content


def ask(repo: Repository, digest: str, query: str = "") -> Answer:
    """Ask for referrers and check the form of the answer."""
    answer = repo.client.get(repo.at(f"referrers/{digest}{query}"))
    assert (answer.status, answer.headers["Content-Type"]) == (200, INDEX)
    assert (answer.json["schemaVersion"], answer.json["mediaType"]) == (2, INDEX)
    return answer


def listed(repo: Repository, digest: str, query: str = "") -> list[str]:
    """Return the digests of one page of referrers."""
    return [each["digest"] for each in ask(repo, digest, query).json["manifests"]]


@ALGORITHMS
def test_what_names_a_subject_is_listed_with_type_and_annotations(repo: Repository, algorithm: str) -> None:
    image = repo.image("v1")
    assert repo.put(digest_of(image, algorithm), image).status == 201
    subject = descriptor(image, MANIFEST, algorithm)
    annotations = {"org.example": "ü\x00 \U0001f600", "": "empty key"}
    signature = refer(repo, subject, SBOM, annotations=annotations)
    plain = refer(repo, subject)
    assert ask(repo, subject["digest"]).json["manifests"] == [
        {**descriptor(signature, MANIFEST), "artifactType": SBOM, "annotations": annotations},
        {**descriptor(plain, MANIFEST), "artifactType": CONFIG},
    ]


def test_an_index_refers_too_and_has_a_type_only_if_it_says_one(repo: Repository) -> None:
    subject = descriptor(repo.image("v1"), MANIFEST)
    plain = repo.index("plain", subject=subject)
    typed = repo.index("typed", subject=subject, artifactType=SBOM)
    assert ask(repo, subject["digest"]).json["manifests"] == [
        descriptor(plain, INDEX),
        {**descriptor(typed, INDEX), "artifactType": SBOM},
    ]


def test_what_nothing_refers_to_has_an_empty_list(repo: Repository) -> None:
    for digest in (digest_of(b"nothing"), digest_of(b"nothing", "sha512")):
        assert listed(repo, digest) == []
    repo.image("v1")
    assert listed(repo, digest_of(b"nothing")) == []
    head = repo.client.head(repo.at(f"referrers/{digest_of(b'nothing')}"))
    assert (head.status, head.content) == (200, b"")


@pytest.mark.parametrize("digest", ["sha256:bad", "v1", "md5:" + "0" * 32])
def test_a_subject_that_is_no_digest_is_refused(repo: Repository, digest: str) -> None:
    answer = repo.client.get(repo.at(f"referrers/{digest}"))
    assert (answer.status, answer.error_code) == (400, "DIGEST_INVALID")


@pytest.mark.parametrize("written", [quote(SBOM, safe=""), SBOM.replace("+", "%2B"), SBOM])
def test_a_filter_gives_only_its_type_and_says_that_it_was_applied(repo: Repository, written: str) -> None:
    subject = descriptor(repo.image("v1"), MANIFEST)
    wanted = refer(repo, subject, SBOM)
    refer(repo, subject, "application/vnd.example.sbom")
    refer(repo, subject)
    answer = ask(repo, subject["digest"], f"?artifactType={written}")
    assert answer.headers["OCI-Filters-Applied"] == "artifactType"
    assert [each["digest"] for each in answer.json["manifests"]] == [digest_of(wanted)]


def test_the_configurations_type_can_be_filtered_for_and_an_unknown_one_gives_none(repo: Repository) -> None:
    subject = descriptor(repo.image("v1"), MANIFEST)
    plain = refer(repo, subject)
    assert listed(repo, subject["digest"], f"?artifactType={quote(CONFIG, safe='')}") == [digest_of(plain)]
    assert listed(repo, subject["digest"], "?artifactType=application/unheard-of") == []
    unfiltered = ask(repo, subject["digest"], "?artifactType=")
    assert "OCI-Filters-Applied" not in unfiltered.headers
    assert len(unfiltered.json["manifests"]) == 1


@ALGORITHMS
def test_a_subject_may_be_pushed_later_or_never(repo: Repository, algorithm: str) -> None:
    image = encoded({"schemaVersion": 2, "config": repo.blob(b"{}", CONFIG), "layers": [], "x": repo.name})
    subject = descriptor(image, MANIFEST, algorithm)
    signature = refer(repo, subject)
    assert listed(repo, subject["digest"]) == [digest_of(signature)]
    assert repo.put(subject["digest"], image).status == 201
    assert listed(repo, subject["digest"]) == [digest_of(signature)]


def test_referrers_are_of_one_repository(repo: Repository) -> None:
    subject = descriptor(repo.image("v1"), MANIFEST)
    refer(repo, subject)
    other = Repository(repo.client, f"{repo.name}/other")
    other.image("v1")
    assert listed(other, subject["digest"]) == []


def test_a_referrer_disappears_with_its_manifest_and_not_with_its_tag_or_subject(repo: Repository) -> None:
    subject = descriptor(repo.image("v1"), MANIFEST)
    signature = refer(repo, subject)
    assert repo.put("tagged", signature).headers["OCI-Subject"] == subject["digest"]
    assert listed(repo, subject["digest"]) == [digest_of(signature)], "a tagged referrer is listed once"
    repo.client.delete(repo.at("manifests/tagged"))
    repo.client.delete(repo.at(f"manifests/{subject['digest']}"))
    assert listed(repo, subject["digest"]) == [digest_of(signature)]
    assert repo.client.delete(repo.at(f"manifests/{digest_of(signature)}")).status == 202
    assert listed(repo, subject["digest"]) == []


@ALGORITHMS
def test_the_fallback_tag_of_an_old_client_stays_readable_and_doubles_nothing(repo: Repository, algorithm: str) -> None:
    subject = descriptor(repo.image("v1"), MANIFEST, algorithm)
    signature, sbom = refer(repo, subject), refer(repo, subject, SBOM)
    # The scheme cuts the digits to 64, and the old client leaves out what it does not know.
    tag = f"{algorithm}-{subject['digest'].partition(':')[2][:64]}"
    index = repo.index(tag, signature, sbom)
    assert repo.client.get(repo.at(f"manifests/{tag}")).content == index
    assert listed(repo, subject["digest"]) == [digest_of(signature), digest_of(sbom)]
    assert tag in repo.tags()


@pytest.fixture(scope="module")
def crowd(hub: Instance) -> Iterator[tuple[Repository, dict[str, Any], list[str]]]:
    """A subject with 1,020 referrers, every tenth an SBOM, and the digests of all."""
    repo = Repository(hub.client(), "tests/crowd")
    subject = descriptor(repo.image("v1"), MANIFEST)
    config = repo.blob(b"{}", CONFIG)

    def push(number: int) -> str:
        kind = SBOM if number % 10 == 0 else "application/vnd.example.signature"
        value = {"schemaVersion": 2, "config": config, "layers": [], "subject": subject, "artifactType": kind, "x": number}
        content = encoded(value)
        assert repo.put(digest_of(content), content).status == 201
        return digest_of(content)

    with ThreadPoolExecutor(8) as threads:
        yield repo, subject, list(threads.map(push, range(1020)))


def pages(repo: Repository, address: str) -> Iterator[Answer]:
    """Follow the Link from page to page."""
    while address:
        answer = repo.client.get(address)
        assert answer.status == 200
        yield answer
        address = answer.headers.get("Link", "").removeprefix("<").partition(">")[0]


def test_more_than_1000_referrers_come_in_pages_each_once(crowd: tuple[Repository, dict[str, Any], list[str]]) -> None:
    repo, subject, digests = crowd
    found = list(pages(repo, repo.at(f"referrers/{subject['digest']}")))
    assert [len(page.json["manifests"]) for page in found] == [1000, 20]
    assert sorted(each["digest"] for page in found for each in page.json["manifests"]) == sorted(digests)
    assert all(page.json["mediaType"] == INDEX for page in found)
    assert found[0].headers["Link"].endswith('>; rel="next"')


def test_a_filter_holds_on_every_page(crowd: tuple[Repository, dict[str, Any], list[str]]) -> None:
    repo, subject, digests = crowd
    found = list(pages(repo, repo.at(f"referrers/{subject['digest']}?artifactType=application%2Fvnd.example.signature")))
    assert sum(len(page.json["manifests"]) for page in found) == 918
    assert set(listed(repo, subject["digest"], f"?artifactType={quote(SBOM)}")) == set(digests[::10])


def test_large_annotations_make_pages_smaller_than_4_mib(repo: Repository) -> None:
    image = repo.image("v1")
    subject = descriptor(image, MANIFEST)
    digests = [digest_of(refer(repo, subject, SBOM, annotations={"x": f"{number}" * 1_500_000})) for number in range(4)]
    found = list(pages(repo, repo.at(f"referrers/{subject['digest']}?artifactType={quote(SBOM, safe='')}")))
    assert [digest for page in found for digest in (each["digest"] for each in page.json["manifests"])] == digests
    assert len(found) == 2
    assert all(len(page.content) <= 4 << 20 for page in found)
    assert all(page.headers["OCI-Filters-Applied"] == "artifactType" for page in found)


@pytest.mark.parametrize("after", ["x", "-1", "9" * 19, "%D9%A1"])
def test_a_place_to_continue_from_that_is_none_is_refused(repo: Repository, after: str) -> None:
    answer = repo.client.get(repo.at(f"referrers/{digest_of(b'x')}?after={after}"))
    assert (answer.status, answer.error_code) == (400, "PAGINATION_NUMBER_INVALID")
