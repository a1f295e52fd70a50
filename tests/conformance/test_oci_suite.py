"""The OCI conformance suite, with every API and every kind of data on, and all that it can require required."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from xml.etree import ElementTree as ET

import pytest

from conftest import served
from support.instance import Instance
from support.nodes import Nodes
from support.tools import program

MINIMUM_TESTS: Final = {"dev": 992, "1.1": 992}
KNOWN_SKIPS: Final = Path(__file__).with_name("known_skips.txt")
REQUIRED: Final = {
    "OCI_API_BLOBS_ATOMIC": "true",
    "OCI_API_BLOBS_DELETE": "true",
    "OCI_API_BLOBS_DIGEST_HEADER": "true",
    "OCI_API_BLOBS_MOUNT_ANONYMOUS": "true",
    "OCI_API_BLOBS_UPLOAD_CANCEL": "true",
    "OCI_API_MANIFESTS_ATOMIC": "true",
    "OCI_API_MANIFESTS_DELETE": "true",
    "OCI_API_MANIFESTS_DIGEST_HEADER": "true",
    "OCI_API_MANIFESTS_TAG_PARAM": "true",
    "OCI_API_PING": "true",
    "OCI_API_PULL": "true",
    "OCI_API_PUSH": "true",
    "OCI_API_REFERRER": "true",
    "OCI_API_TAGS_ATOMIC": "true",
    "OCI_API_TAGS_DELETE": "true",
    "OCI_API_TAGS_LIST": "true",
    "OCI_DATA_ARTIFACT": "true",
    "OCI_DATA_ARTIFACT_LIST": "true",
    "OCI_DATA_CUSTOM_FIELDS": "true",
    "OCI_DATA_DATA_FIELD": "true",
    "OCI_DATA_EMPTY_BLOB": "true",
    "OCI_DATA_IMAGE": "true",
    "OCI_DATA_INDEX": "true",
    "OCI_DATA_INDEX_LIST": "true",
    "OCI_DATA_NONDISTRIBUTABLE": "true",
    "OCI_DATA_NO_LAYERS": "true",
    "OCI_DATA_SHA512": "true",
    "OCI_DATA_SPARSE": "true",
    "OCI_DATA_SUBJECT": "true",
    "OCI_DATA_SUBJECT_LIST": "true",
    "OCI_DATA_SUBJECT_MISSING": "true",
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one run of the suite reported."""

    tests: int
    failures: dict[str, str]
    skipped: set[str]


@pytest.fixture(scope="module")
def sparse_hub(
    profile: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Instance | Nodes]:
    """An instance that takes indexes and images of which some parts are elsewhere."""
    with served(profile, request, tmp_path_factory.mktemp("conformance"), sparse="images") as instance:
        yield instance


def test_every_test_of_the_released_suite_passes_but_for_the_known_skips(sparse_hub: Instance, tmp_path: Path) -> None:
    check_suite(sparse_hub, "1.1", tmp_path)


@pytest.mark.cluster
def test_every_test_of_the_suite_to_come_passes_but_for_the_known_skips(sparse_hub: Instance, tmp_path: Path) -> None:
    check_suite(sparse_hub, "dev", tmp_path)


def check_suite(hub: Instance | Nodes, version: str, folder: Path) -> None:
    outcome = run_suite(hub, version, folder)
    assert not outcome.failures, "\n".join(f"{name}: {told}" for name, told in outcome.failures.items())
    assert outcome.skipped <= known_skips()
    assert outcome.tests >= MINIMUM_TESTS[version]


def run_suite(hub: Instance | Nodes, version: str, folder: Path) -> Outcome:
    repositories = {f"OCI_REPO{number}": f"conformance-{version.replace('.', '-')}/repo{number}" for number in (1, 2)}
    settings = {"OCI_REGISTRY": hub.host, "OCI_TLS": "disabled", "OCI_VERSION": version, "OCI_RESULTS_DIR": str(folder)}
    # It reads a settings file from the folder it runs in if there is one; this names one that says nothing.
    empty = folder / "settings.yaml"
    empty.write_text("{}\n", "utf-8")
    done = program("conformance").run(
        check=False, limit_s=300, **REQUIRED, **repositories, **settings, OCI_CONFIGURATION=str(empty)
    )
    report = folder / "junit.xml"
    assert report.exists(), done.stdout + done.stderr
    return read_report(report)


def read_report(path: Path) -> Outcome:
    suites = ET.parse(path).getroot()  # noqa: S314 - the suite that we just ran has written it
    cases = [(case.attrib["name"], case.attrib["status"], case) for case in suites.iter("testcase")]
    failures = {
        name: f"{case.findtext('system-out') or ''}\n{(case.findtext('system-err') or '')[-4000:]}"
        for name, status, case in cases
        if status not in {"passed", "skipped"}
    }
    return Outcome(int(suites.attrib["tests"]), failures, {name for name, status, _ in cases if status == "skipped"})


def known_skips() -> set[str]:
    lines = KNOWN_SKIPS.read_text("utf-8").splitlines()
    return {re.split(r"\s+#\s", line)[0].strip() for line in lines if line.strip() and not line.startswith("#")}


def test_every_known_skip_has_a_reason() -> None:
    lines = [line for line in KNOWN_SKIPS.read_text("utf-8").splitlines() if line.strip() and not line.startswith("#")]
    assert [line for line in lines if not re.search(r"\s#\s\S", line)] == []
