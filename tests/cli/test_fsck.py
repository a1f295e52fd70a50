"""`entrepot fsck` beside a server: what it finds, what it sets aside, and how a push heals that."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.commands import place, run
from support.history import rows
from support.instance import Instance
from support.parts import prepared
from support.wire import Repository, digest_of


@pytest.fixture
def own(serve: Callable[..., Instance], database_url: str) -> Instance:
    """An instance whose data a test may damage."""
    return serve(database=database_url, jobs="none")  # else the background check may be the first to find it


def checked(instance: Instance, *words: str) -> tuple[int, dict[str, Any]]:
    """Run it; return the exit code and what it printed."""
    done = run("fsck", "--json", *words, *place(instance))
    return done.returncode, json.loads(done.stdout)


def file_of(instance: Instance, digest: str) -> Path:
    """Return the file that holds a blob now."""
    (file,) = (instance.data / "blobs").rglob(f"{digest.partition(':')[2]}.*")
    return file


def damage(file: Path, content: bytes) -> None:
    file.chmod(0o600)
    file.write_bytes(content)


def test_sound_data_has_no_faults(own: Instance) -> None:
    repo = Repository(own.client(), "team/sound")
    manifest = repo.image("v1")
    repo.index("all", manifest)
    code, found = checked(own)
    assert (code, found["blobs"], found["faults"]) == (0, 2, [])
    assert found["bytes"] == len(b"{}") + len(b"layer ")
    assert run("fsck", *place(own)).stdout == f"2 blobs of {found['bytes']} bytes checked; no faults\n"


def test_damaged_and_lost_blobs_are_found_and_only_repair_changes_anything(own: Instance) -> None:
    repo = Repository(own.client(), "team/hurt")
    contents = [b"turned", b"cut short", b"lost", b"sound"]
    turned, cut, lost, _sound = [repo.blob(content)["digest"] for content in contents]
    damage(file_of(own, turned), b"tunred")
    damage(file_of(own, cut), b"cut")
    file_of(own, lost).unlink()
    wanted = {(turned, "damaged"), (cut, "damaged"), (lost, "missing")}
    for _ in range(2):
        code, found = checked(own)
        assert code == 1
        assert {(fault["what"], fault["kind"]) for fault in found["faults"]} == wanted
        assert not any(fault["set_aside"] for fault in found["faults"])
    assert file_of(own, turned).read_bytes() == b"tunred"
    code, found = checked(own, "--repair")
    assert code == 1
    aside = {fault["what"]: fault["set_aside"] for fault in found["faults"]}
    assert Path(aside[turned]).read_bytes() == b"tunred"
    assert aside[lost] == ""
    for digest, content in zip((turned, cut, lost), contents, strict=False):
        assert not repo.has_blob(digest)
        answer = repo.client.get(repo.at(f"blobs/{digest}"))
        assert (answer.status, answer.error_code) == (404, "BLOB_UNKNOWN")
        repo.blob(content)
        assert repo.client.get(repo.at(f"blobs/{digest}")).content == content
    assert checked(own)[0] == 0


def test_what_a_manifest_names_is_looked_for(own: Instance) -> None:
    repo, settings = Repository(own.client(), "team/named"), prepared(own.data, own.database)
    image, child = repo.image("v1", seed="image"), repo.image("child", seed="child")
    repo.index("all", child)
    assert repo.client.delete(repo.at(f"manifests/{digest_of(child)}")).status == 202
    code, found = checked(own)
    assert (code, [fault["kind"] for fault in found["faults"]]) == (0, ["child"])
    layer = digest_of(b"layer image")
    rows(settings, "DELETE FROM repository_blob WHERE blob = (SELECT id FROM blob WHERE digest = $1)", layer)
    rows(settings, "UPDATE manifest SET content = $1 WHERE digest = $2", image[:-1] + b" ", digest_of(image))
    code, found = checked(own)
    assert code == 1
    faults = {fault["kind"]: fault for fault in found["faults"]}
    assert faults["reference"]["what"] == f"team/named@{digest_of(image)}"
    assert layer in faults["reference"]["says"]
    assert faults["manifest"]["what"] == f"team/named@{digest_of(image)}"
    said = run("fsck", *place(own))
    assert said.returncode == 1
    assert said.stdout.splitlines()[-1].endswith("; 2 faults")
    repo.image("v1", seed="image")
    assert checked(own)[0] == 0
