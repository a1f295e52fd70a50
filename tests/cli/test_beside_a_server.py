"""Commands that look at the data of a server while it runs."""

import json

from support.commands import history, place, run
from support.instance import Instance
from support.wire import Repository, digest_of


def test_the_history_of_a_tag_is_printed_newest_first(hub: Instance, repository: str) -> None:
    repo = Repository(hub.client(), repository)
    first, second = repo.image("v1", seed="first"), repo.image("v1", seed="second")
    done = run("tag", "history", f"{repository}:v1", *place(hub))
    assert (done.returncode, done.stderr) == (0, "")
    newest, oldest = done.stdout.splitlines()
    assert newest.endswith(f"  anyone  {digest_of(first)} -> {digest_of(second)}")
    assert oldest.endswith(f"  anyone  (none) -> {digest_of(first)}")
    assert newest[:10].count("-") == 2
    assert repo.client.delete(repo.at("manifests/v1")).status == 202
    done = run("tag", "history", f"{repository}:v1", "--limit", "1", *place(hub))
    assert done.stdout.strip().endswith(f"{digest_of(second)} -> (none)")


def test_the_history_has_the_name_time_and_actor_of_each_move(hub: Instance) -> None:
    repo = Repository(hub.client(), "beside")
    manifest = repo.image("v1", "v2")
    (move,) = history(hub, "library/beside", "v1")
    assert history(hub, "beside", "v1") == [move]
    moved_at = move.pop("moved_at")
    assert isinstance(moved_at, int)
    assert moved_at > 1_600_000_000_000_000, "microseconds"
    assert move == {"name": "v1", "from_digest": None, "to_digest": digest_of(manifest), "actor": "anyone"}


def test_an_image_that_cannot_be_is_refused(hub: Instance) -> None:
    for image, said in (
        ("nobody/nothing:v1", "no repository 'nobody/nothing'"),
        ("UPPER:v1", "'UPPER' is not a repository name"),
        ("a/b:.v", "'.v' is not a tag"),
        ("a/b", "is not a repository name"),
    ):
        done = run("tag", "history", image, *place(hub))
        assert (done.returncode, done.stdout) == (1, "")
        assert said in done.stderr
    assert run("tag", "history", "a/b:v1", "--limit", "0", *place(hub)).returncode == 2


def test_only_what_belongs_to_nobody_is_a_leftover(hub: Instance, repository: str) -> None:
    repo = Repository(hub.client(), repository)
    repo.image("v1", seed=repository)
    location = repo.begin()
    repo.client.patch(location, body=b"an upload that goes on")
    assert run("storage", "leftovers", *place(hub)).stdout == "0 leftover files\n"
    assert json.loads(run("storage", "leftovers", "--json", *place(hub)).stdout) == []
    lost = hub.data / "blobs" / "sha256" / "ab" / f"ab{'0' * 62}.{'1' * 32}"
    lost.write_bytes(b"seven b")
    unnamed = hub.data / "uploads" / ("2" * 32)
    unnamed.write_bytes(b"four")
    done = run("storage", "leftovers", "--json", *place(hub))
    found = {row["key"]: row for row in json.loads(done.stdout)}
    assert {key: row["size"] for key, row in found.items()} == {
        str(lost.relative_to(hub.data)): 7,
        str(unnamed.relative_to(hub.data)): 4,
    }
    assert all(abs(row["modified_at_us"] - lost.stat().st_mtime_ns // 1000) < 60_000_000 for row in found.values())
    listed = run("storage", "leftovers", *place(hub)).stdout.splitlines()
    assert listed[-1] == "2 leftover files"
    assert any(line.split() == ["7", str(lost.relative_to(hub.data))] for line in listed)
    lost.unlink()
    unnamed.unlink()
    assert repo.finish(location, digest_of(b"an upload that goes on")).status == 201
    assert run("storage", "leftovers", *place(hub)).stdout == "0 leftover files\n"
