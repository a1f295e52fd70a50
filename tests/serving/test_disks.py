"""A served instance on a disk that is full, takes no writes, goes away, hangs, or has no more files to give."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from entrepot.base.settings import Settings
from support.commands import place, run
from support.disks import Disk, fill
from support.history import rows
from support.http import Answer
from support.instance import Instance
from support.parts import prepared
from support.postgres import Cluster
from support.wire import Repository, digest_of

MIB = 1 << 20
LIMIT_S = 60.0
FULL = (
    "the registry's storage is full, so that nothing can be pushed: delete images that nobody needs, "
    "or ask its administrator to make room; try again in 60 seconds"
)
READ_ONLY = (
    "the registry's storage can only be read at the moment: its administrator must make it writable again; "
    "try again in 60 seconds"
)
DATABASE_READ_ONLY = (
    "the registry's database can only be read at the moment: its administrator must make its disk writable again; "
    "try again in 5 seconds"
)
AWAY = "the registry's storage is not there at the moment: its administrator must bring its disk back; try again in 5 seconds"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """A file system of 160 MiB, whose ballast has 10."""
    with Disk(tmp_path / "disk", 160 * MIB, "-e", "remount-ro") as made:
        yield made


def begin(disk: Disk, *, database: str = "", **settings: Any) -> tuple[Instance, Repository]:
    log = disk.folder.with_name("instance.log")
    instance = Instance(disk.folder / "data", database=database, log=log, gc_grace=60, **settings)
    return instance, Repository(instance.client(), "team/app")


def until(holds: Callable[[], object]) -> None:
    end = time.monotonic() + LIMIT_S
    while not holds():
        assert time.monotonic() < end, "it does not come about"
        time.sleep(0.1)


def held(instance: Instance) -> int:
    ballast = instance.data / "ballast"
    return ballast.stat().st_size if ballast.exists() else -1


def refused(answer: Answer, message: str) -> None:
    """Check a refusal, word for word."""
    assert (answer.status, answer.error_code) == (503, "UNAVAILABLE"), answer
    assert answer.json["errors"][0]["message"] == message
    assert answer.headers["Retry-After"] == message.split()[-2]


def pushes(repo: Repository, location: str) -> Iterator[Answer]:
    """Try everything that brings bytes."""
    content = b"more"
    yield repo.client.post(repo.at("blobs/uploads/"))
    yield repo.client.post(repo.at(f"blobs/uploads/?digest={digest_of(content)}"), body=content)
    yield repo.client.patch(location, body=content)
    yield repo.finish(location, digest_of(content), content)


def pulls(repo: Repository, tag: str, layer: bytes) -> None:
    assert repo.client.get(repo.at(f"manifests/{tag}")).status == 200
    assert repo.client.get(repo.at(f"blobs/{digest_of(layer)}")).content == layer


@pytest.mark.parametrize("min_free", [0, 30_000_000])
def test_a_full_disk_takes_deletions_and_takes_pushes_again_when_they_gave_room(disk: Disk, min_free: int) -> None:
    instance, repo = begin(disk, min_free=min_free, log_format="json")
    with instance:
        until(lambda: held(instance) > 8 * MIB)
        kept, gone = repo.image("kept", seed="kept"), repo.image("gone", seed="gone")
        large = b"".join(bytes([number]) * MIB for number in range(60))
        big = repo.blob(large)
        assert repo.put("big", json.dumps({**json.loads(gone), "layers": [big]}).encode()).status == 201
        location = repo.begin()
        fill(disk.folder / "others")
        until(lambda: held(instance) == 0)
        for answer in pushes(repo, location):
            refused(answer, FULL)
        refused(repo.put("again", kept), FULL)
        pulls(repo, "kept", b"layer kept")
        assert repo.has_blob(digest_of(b"layer kept"))
        other = Repository(repo.client, "team/other")
        mounted = repo.client.post(other.at(f"blobs/uploads/?mount={digest_of(b'layer kept')}&from={repo.name}"))
        assert mounted.status == 201
        assert instance.client().get("/readyz").status == 200
        assert "entrepot_disk_ballast_bytes 0\n" in instance.client().get("/metrics").content.decode()
        for tag in ("gone", "big"):
            digest = repo.client.head(repo.at(f"manifests/{tag}")).headers["Docker-Content-Digest"]
            assert repo.client.delete(repo.at(f"manifests/{digest}")).status == 202
        collected(instance, big["digest"])
        until(lambda: held(instance) > 8 * MIB)
        until(lambda: repo.client.post(repo.at("blobs/uploads/")).status == 202)
        repo.image("after", seed="after")
        pulls(repo, "after", b"layer after")
        events = [json.loads(line)["event"] for line in instance.log.read_text().splitlines() if line.startswith("{")]
        assert events.count("ballast_made") == 2
        assert "ballast_released" in events


def collected(instance: Instance, digest: str) -> None:
    """Let time pass for the collector, which then runs by itself."""
    settings = Settings(data=str(instance.data), database=instance.database)
    rows(settings, "UPDATE repository_blob SET touched_at = 1")
    rows(settings, "UPDATE repository SET uploaded_at = 1")
    rows(settings, "UPDATE upload SET progressed_at = 1")
    folder = instance.data / "blobs" / "sha256" / digest[7:9]

    def is_gone() -> bool:
        rows(settings, "UPDATE blob SET condemned_at = 1 WHERE condemned_at IS NOT NULL")
        rows(settings, "UPDATE job_schedule SET slot = 0 WHERE name IN ('collect', 'delete-condemned')")
        time.sleep(0.5)
        return not list(folder.glob(f"{digest[7:]}.*"))

    until(is_gone)


def test_pushes_are_refused_before_the_last_room_is_taken_and_what_came_is_kept(disk: Disk) -> None:
    instance, repo = begin(disk, min_free=30_000_000)
    with instance:
        piece = bytes(MIB)
        refused(repo.client.post(repo.at(f"blobs/uploads/?digest={digest_of(b'')}"), body=bytes(120 * MIB)), FULL)
        location = repo.begin()
        refused(repo.client.patch(location, body=bytes(120 * MIB)), FULL)
        assert repo.client.get(location).headers["Range"] == "0-0"
        # Its length is not told, so that it is looked at as it comes.
        refused(repo.client.patch(location, body=(piece for _ in range(150))), FULL)
        came = int(repo.client.get(location).headers["Range"].removeprefix("0-")) + 1
        assert 30_000_000 - MIB < disk.free_bytes() < 30_000_000 + 14 * MIB
        assert repo.finish(location, digest_of(bytes(came))).status == 201, "bytes that are here take no more room"
        refused(repo.client.post(repo.at(f"blobs/uploads/?digest={digest_of(b'')}"), body=bytes(14 * MIB)), FULL)
        assert repo.client.get(repo.at(f"blobs/{digest_of(bytes(came))}")).content == bytes(came)


def test_many_pushes_at_once_leave_the_room_that_is_to_be_left(disk: Disk) -> None:
    instance, repo = begin(disk, min_free=30_000_000, workers=2, jobs="none")
    with instance:
        until(lambda: held(instance) > 8 * MIB)
        locations = [repo.begin() for _ in range(14)]
        least, ending = [disk.free_bytes()], threading.Event()

        def watch() -> None:
            while not ending.wait(0.01):
                least[0] = min(least[0], disk.free_bytes())

        def push(number: int) -> int:
            body = bytes(20 * MIB) if number % 2 else (bytes(MIB) for _ in range(20))
            return instance.client().patch(locations[number], body=body).status

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            with ThreadPoolExecutor(14) as threads:
                answers = list(threads.map(push, range(14)))
        finally:
            ending.set()
            watcher.join()
        assert set(answers) == {202, 503}, answers
        # The file system's own notes of what was written are not the bodies' bytes.
        assert least[0] > 30_000_000 - MIB
        refused(repo.client.post(repo.at(f"blobs/uploads/?digest={digest_of(b'')}"), body=bytes(40 * MIB)), FULL)


def test_a_push_in_one_request_that_finds_no_room_leaves_nothing(disk: Disk) -> None:
    instance, repo = begin(disk, min_free=30_000_000, jobs="none")
    with instance:
        until(lambda: held(instance) > 8 * MIB)
        location, before = repo.begin(), disk.free_bytes()
        pieces = [bytes(MIB)] * 150
        whole = repo.client.post(repo.at(f"blobs/uploads/?digest={digest_of(b'')}"), body=iter(pieces))
        refused(whole, FULL)
        assert rows(Settings(data=str(instance.data)), "SELECT count(*) FROM upload") == [(1,)]
        refused(repo.client.put(f"{location}?digest={digest_of(b'')}", body=iter(pieces)), FULL)
        assert sum(path.stat().st_size for path in (instance.data / "uploads").iterdir()) == 0
        assert disk.free_bytes() > before - MIB


def test_a_file_system_without_files_left_refuses_pushes_and_takes_deletions(tmp_path: Path) -> None:
    with Disk(tmp_path / "disk", 64 * MIB, "-N", "900") as disk:
        instance, repo = begin(disk, min_free=1)
        with instance:
            image = repo.image("gone", seed="gone")
            crowd = disk.folder / "crowd"
            crowd.mkdir()
            with pytest.raises(OSError, match="No space left"):
                crowd_into(crowd)
            refused(repo.client.post(repo.at("blobs/uploads/")), FULL)
            refused(repo.put("again", image), FULL)
            pulls(repo, "gone", b"layer gone")
            assert repo.client.delete(repo.at(f"manifests/{digest_of(image)}")).status == 202
            for path in crowd.iterdir():
                path.unlink()
            repo.image("after", seed="after")


def crowd_into(folder: Path) -> None:
    for number in range(10_000):
        (folder / str(number)).touch()


def test_a_disk_that_fails_under_sqlite_is_read_on_and_pushes_and_deletions_are_refused(disk: Disk) -> None:
    instance, repo = begin(disk, min_free=0)
    with instance:
        image = repo.image("kept", seed="kept")
        location = repo.begin()
        disk.fail()
        for answer in (repo.client.post(repo.at("blobs/uploads/")), repo.put("again", image)):
            refused(answer, DATABASE_READ_ONLY)
        refused(repo.client.delete(repo.at(f"manifests/{digest_of(image)}")), DATABASE_READ_ONLY)
        refused(repo.client.patch(location, body=b"x"), READ_ONLY)
        pulls(repo, "kept", b"layer kept")
        assert instance.client().get("/readyz").status == 200, "pulls are answered"
        instance.stop(code=None)
        # What its administrator does: only a new mount ends it.
        disk.leave()
        disk.mount()
        instance.restart()
        pulls(repo, "kept", b"layer kept")
        repo.image("after", seed="after")


def test_a_disk_made_read_only_and_writable_again_needs_no_restart(disk: Disk, postgres: Cluster) -> None:
    # With SQLite the kernel refuses it, because the database is open for writing.
    instance, repo = begin(disk, database=postgres.new_database(), min_free=0)
    with instance:
        repo.image("kept", seed="kept")
        gone = repo.image("gone", seed="gone")
        location = repo.begin()
        until(lambda: "ballast_made" in instance.log.read_text())
        disk.remount("ro")
        for answer in pushes(repo, location):
            refused(answer, READ_ONLY)
        pulls(repo, "kept", b"layer kept")
        assert instance.client().get("/readyz").status == 200, "pulls are answered"
        assert repo.client.delete(repo.at(f"manifests/{digest_of(gone)}")).status == 202, "the rows lie elsewhere"
        disk.remount("rw")
        repo.image("after", seed="after")
        collected(instance, digest_of(b"layer gone"))


def test_a_start_on_a_read_only_disk_says_so(disk: Disk) -> None:
    prepared(disk.folder / "data", "")
    disk.remount("ro")
    done = run("serve", "--data", str(disk.folder / "data"), "--listen", "127.0.0.1:1")
    assert done.returncode == 1
    assert "cannot be used: Read-only file system" in done.stderr


@pytest.mark.parametrize("way", ["unmounted", "replaced"])
def test_nothing_is_taken_for_lost_while_the_disk_is_away(disk: Disk, database_url: str, way: str) -> None:
    instance, repo = begin(disk, database=database_url, min_free=0)
    settings = Settings(data=str(instance.data), database=database_url)
    with instance:
        image = repo.image("kept", seed="kept")
        gone = repo.image("gone", seed="gone")
        large = bytes(200_000)
        assert repo.put("large", json.dumps({**json.loads(image), "layers": [repo.blob(large)]}).encode()).status == 201
        repo.client.patch(repo.begin(), body=b"some")
        assert repo.client.delete(repo.at(f"manifests/{digest_of(gone)}")).status == 202
        rows(settings, "UPDATE repository_blob SET touched_at = 1")
        rows(settings, "UPDATE repository SET uploaded_at = 1")
        rows(settings, "UPDATE upload SET progressed_at = 1")
        rows(settings, "UPDATE job_schedule SET slot = 0 WHERE name = 'collect'")
        until(lambda: rows(settings, "SELECT count(*) FROM blob WHERE condemned_at IS NOT NULL") != [(0,)])
        rows(settings, "UPDATE blob SET condemned_at = 1 WHERE condemned_at IS NOT NULL")
        rows(settings, "UPDATE upload SET expires_at = 1")
        rows(settings, "UPDATE job_schedule SET slot = 0")
        elsewhere, began = take_away(disk, instance, way), time.monotonic()
        refused(repo.client.get(repo.at(f"blobs/{digest_of(large)}")), AWAY)
        refused(repo.client.post(repo.at("blobs/uploads/")), AWAY)
        assert repo.client.head(repo.at(f"blobs/{digest_of(large)}")).status == 503
        assert repo.client.get(repo.at("manifests/kept")).content == image
        assert instance.client().get("/readyz").status == 503
        until(lambda: "StorageAway" in instance.log.read_text())
        checked = run("fsck", "--repair", *place(instance))
        assert (checked.returncode, checked.stdout) == (1, ""), "nothing is judged"
        time.sleep(max(0.0, 6 - (time.monotonic() - began)))  # so long that the ballast is looked after
        assert list((disk.folder if way == "unmounted" else instance.data).iterdir()) == [], "nothing is made on the disk below"
        bring_back(disk, instance, elsewhere)
        until(lambda: instance.client().get("/readyz").status == 200)
        assert repo.client.get(repo.at(f"blobs/{digest_of(large)}")).content == large
        repo.image("after", seed="after")
        assert not {"blob_lost", "blob_missing", "blob_unreadable"} & set(instance.log.read_text().split())
        until(lambda: run("storage", "leftovers", *place(instance)).stdout == "0 leftover files\n")


def take_away(disk: Disk, instance: Instance, way: str) -> Path | None:
    if way == "unmounted":
        disk.leave()
        return None
    elsewhere = instance.data.with_name("elsewhere")
    instance.data.rename(elsewhere)
    instance.data.mkdir()
    return elsewhere


def bring_back(disk: Disk, instance: Instance, elsewhere: Path | None) -> None:
    if elsewhere is None:
        disk.mount()
    else:
        instance.data.rmdir()
        elsewhere.rename(instance.data)


def test_pulls_go_on_while_every_write_hangs(disk: Disk) -> None:
    # Without a job process, whose looks at the database would do for others what they must not have to do themselves.
    instance, repo = begin(disk, min_free=0, jobs="none")
    with instance:
        large = bytes(300_000)
        repo.blob(large)
        # More than the threads that write.
        begun = {number: repo.begin() for number in range(20)}
        repo.image("before", seed="before")
        disk.freeze()
        began = time.monotonic()
        writers = [threading.Thread(target=push_beside, args=(instance, *each)) for each in begun.items()]
        for writer in writers:
            writer.start()
        try:
            slowest = 0.0
            while time.monotonic() - began < 5:
                once = time.monotonic()
                pulls(repo, "before", b"layer before")
                pulls(repo, "before", large)
                assert repo.tags() == ["before"]
                assert instance.client().get("/readyz").status == 200
                slowest = max(slowest, time.monotonic() - once)
            assert all(writer.is_alive() for writer in writers), "they wait for the disk"
            assert slowest < 4, "nobody else does"
        finally:
            disk.thaw()
        for writer in writers:
            writer.join(LIMIT_S)
        assert all(repo.has_blob(digest_of(bytes([number]) * 1000)) for number in begun)


def push_beside(instance: Instance, number: int, location: str) -> None:
    content = bytes([number]) * 1000
    Repository(instance.client(), "team/app").finish(location, digest_of(content), content)
