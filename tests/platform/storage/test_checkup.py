"""How the doctor judges disks: by tables, since no machine has all of them."""

import pytest

from entrepot.platform.storage.checkup import (
    Mount,
    check_ballast,
    check_file_limit,
    check_mount,
    check_room,
    check_speed,
    mount_of,
)

pytestmark = pytest.mark.fast
GIB = 1 << 30
MOUNTS = r"""
27 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw,errors=remount-ro
30 27 0:40 / /srv rw - nfs4 server:/srv rw,vers=4.2
31 30 0:41 / /srv/my\040data rw,nosuid - xfs /dev/vdb rw,nobarrier
32 27 0:42 / /srv/hidden rw - tmpfs tmpfs rw
33 27 0:43 / /srv/hidden rw shared:4 master:2 - btrfs /dev/vdc rw
""".strip()


@pytest.mark.parametrize(
    ("path", "point", "kind"),
    [
        ("/", "/", "ext4"),
        ("/var/lib", "/", "ext4"),
        ("/srv", "/srv", "nfs4"),
        ("/srvx", "/", "ext4"),
        ("/srv/data", "/srv", "nfs4"),
        ("/srv/my data/deep", "/srv/my data", "xfs"),
        ("/srv/hidden/x", "/srv/hidden", "btrfs"),
    ],
)
def test_the_file_system_of_a_folder_is_the_one_mounted_last_and_deepest(path: str, point: str, kind: str) -> None:
    mount = mount_of(path, MOUNTS)
    assert mount is not None
    assert (mount.point, mount.kind) == (point, kind)


def test_the_options_of_mount_and_file_system_both_count() -> None:
    mount = mount_of("/srv/my data", MOUNTS)
    assert mount is not None
    assert mount.options == {"rw", "nosuid", "nobarrier"}
    assert mount_of("/srv", "") is None


@pytest.mark.parametrize(
    ("kind", "options", "said"),
    [
        *((kind, "rw", "") for kind in ("ext4", "xfs", "btrfs", "zfs", "bcachefs", "f2fs")),
        *((kind, "rw", "over a network") for kind in ("nfs", "nfs4", "cifs", "smb3", "9p", "ceph", "fuse.sshfs", "virtiofs")),
        *((kind, "rw", "memory") for kind in ("tmpfs", "ramfs")),
        ("overlay", "rw", "container"),
        *((kind, "rw", "no owners") for kind in ("vfat", "exfat", "fuseblk")),
        *(("ext4", option, option) for option in ("nobarrier", "barrier=0")),
    ],
)
def test_a_file_system_is_judged_by_its_kind_and_options(kind: str, options: str, said: str) -> None:
    found = check_mount(Mount("/data", kind, frozenset(options.split(","))))
    assert found.verdict == ("warning" if said else "ok")
    assert said in found.told


def test_a_file_system_that_cannot_be_found_is_a_warning() -> None:
    assert check_mount(None).verdict == "warning"


@pytest.mark.parametrize(
    ("free", "size", "inodes", "verdicts"),
    [
        (50 * GIB, 100 * GIB, (10**6, 10**7), ["ok"]),
        (10 * GIB, 100 * GIB, (10**6, 10**7), ["ok"]),
        (10 * GIB - 1, 100 * GIB, (10**6, 10**7), ["warning"]),
        (GIB, 5 * GIB, (0, 0), ["ok"]),
        (GIB - 1, 5 * GIB, (0, 0), ["error"]),
        (50 * GIB, 100 * GIB, (99_999, 10**7), ["ok", "warning"]),
    ],
)
def test_room_is_judged_by_what_is_free(free: int, size: int, inodes: tuple[int, int], verdicts: list[str]) -> None:
    assert [finding.verdict for finding in check_room(free, size, inodes, 0)] == verdicts


def test_room_is_judged_by_what_must_stay_free() -> None:
    found = [list(check_room(free, 100 * GIB, (0, 0), 20 * GIB)) for free in (20 * GIB, 20 * GIB - 1)]
    assert [each[0].verdict for each in found] == ["ok", "error"]
    assert "--min-free" in found[1][0].told


@pytest.mark.parametrize(
    ("held", "free", "verdicts"), [(64, 0, []), (0, 500, ["error"]), (None, 127, ["warning"]), (None, 128, [])]
)
def test_a_missing_ballast_is_told_unless_it_will_be_made(held: int | None, free: int, verdicts: list[str]) -> None:
    assert [finding.verdict for finding in check_ballast(held, 64, free)] == verdicts


@pytest.mark.parametrize(
    ("mib_per_s", "sync_s", "verdict"),
    [(20, 0.02, "ok"), (19, 0.001, "warning"), (500, 0.021, "warning"), (500, 0.001, "ok")],
)
def test_speed_is_judged_by_bytes_and_by_syncs(mib_per_s: float, sync_s: float, verdict: str) -> None:
    assert check_speed(mib_per_s, sync_s).verdict == verdict


@pytest.mark.parametrize(
    ("limit", "verdict"), [(256, "error"), (1023, "error"), (1024, "warning"), (8191, "warning"), (8192, "ok"), (-1, "ok")]
)
def test_a_limit_of_open_files_is_judged_by_what_a_busy_hour_needs(limit: int, verdict: str) -> None:
    assert check_file_limit(limit).verdict == verdict
