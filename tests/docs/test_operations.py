"""docs/operations.md: its troubles caused, its commands followed as they stand there, its tables compared with the code."""

import getpass
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from entrepot.base.settings import Settings
from support.commands import place, run
from support.history import revision, rows, upgrade, upgrade_to
from support.instance import Instance, surroundings
from support.pages import Page
from support.postgres import Cluster
from support.tools import PROJECT, missing
from support.wire import Repository, digest_of

PAGE: Final = Page("operations.md")
# Where else the troubles of a section are caused.
TRIED: Final = {
    "What happened to a request?": "tests/web/test_log.py",
    "How is it?": "tests/web/test_metrics.py",
    "Is all well with what it stands on?": "tests/cli/test_doctor.py",
    "Large pushes fail, small ones work": "tests/cli/test_doctor_proxies.py",
    "Upgrading, and going back": "tests/migrations/test_upgrading.py",
    "Read-only": "tests/cli/test_mode.py",
    "Restarting without breaking off transfers": "tests/serving/test_stopping.py",
    "PostgreSQL is away": "tests/platform/db/test_away.py",
    "The clock is wrong": "tests/cluster/test_clocks.py",
    "The secret key": "tests/platform/secrets/test_keys.py",
    "Changing the key": "tests/app/test_secrets.py",
    "Where does the space go, and when does it come back?": "tests/serving/test_clean_up.py",
    "Background jobs that fail or wait": "tests/platform/jobs/test_process.py",
    "Is everything still what it was?": "tests/cli/test_fsck.py",
}
YEARS_US: Final = 3 * 365 * 86_400 * 1_000_000


def follow(commands: str, folders: dict[str, Path], **variables: str) -> str:
    """Run commands of the page, with other folders in the place of the machine's, and services that the test itself stops."""
    for name, folder in folders.items():
        commands = commands.replace(name, str(folder))
    python = shlex.quote(sys.executable)
    words = f'systemctl() {{ :; }}; python3() {{ {python} "$@"; }}; entrepot() {{ {python} -m entrepot "$@"; }}\n{commands}'
    done = subprocess.run(
        ["bash", "-euc", words], env=surroundings(**variables), capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def eventually(holds: Callable[[], bool]) -> None:
    """Wait until something is the case."""
    end = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)


def listed(section: str) -> set[str]:
    """Return what the first column of a section's table names."""
    return set(re.findall(r"^\| `?([a-z_ A-Z]+)`?(?:\{[a-z,]*\})? \|", PAGE.section(section), re.MULTILINE)) - {"what it says"}


@pytest.mark.fast
@pytest.mark.parametrize(("section", "file"), TRIED.items())
def test_what_is_tried_elsewhere_is_still_there(section: str, file: str) -> None:
    assert PAGE.section(section)
    assert (PROJECT / file).exists()


def test_a_request_is_found_in_the_log_by_its_id(serve: Callable[..., Instance]) -> None:
    instance = serve()
    answer = instance.client().get("/v2/UPPER/tags/list")
    line = next(line for line in instance.log_end().splitlines() if f"request={answer.headers['x-request-id']}" in line)
    assert " request_refused " in line
    source = "".join(path.read_text("utf-8") for path in (PROJECT / "src").rglob("*.py"))
    events = set(re.findall(r"^\| `([a-z_]+)` \|", PAGE.section("What happened to a request?"), re.MULTILINE))
    assert "request_refused" in events
    assert [event for event in events if f'"{event}"' not in source] == []


def test_every_metric_is_described(hub: Instance) -> None:
    (job,) = PAGE.blocks("How is it?", "yaml")
    assert "localhost:5000" in job
    exposed = set(re.findall(r"^# TYPE (\w+)", hub.client().get("/metrics").content.decode(), re.MULTILINE))
    described = set(re.findall(r"`(entrepot_\w+)", PAGE.section("How is it?")))
    assert exposed - described == set()
    # Without TLS there is no certificate, and the ballast is made some seconds after the start: the page says so.
    assert described - exposed <= {"entrepot_certificate_expires_timestamp_seconds", "entrepot_disk_ballast_bytes"}


def test_every_line_of_the_doctor_is_described(hub: Instance, profile: str) -> None:
    section = PAGE.section("Is all well with what it stands on?")
    done = run("doctor", "--json", *place(hub), "--public-url", hub.url)
    told = {each["check"] for each in json.loads(done.stdout)}
    assert {name for name in told if name not in section} == set()
    if profile == "postgresql":
        described = set(re.findall(r"^\| ([a-zA-Z ]+) \|", section, re.MULTILINE)) - {"line"}
        # These are there only with TLS, a mail server, while it is read-only, and with a bucket.
        assert described - {"certificate", "mail", "mode", "redirects"} <= told


@pytest.mark.parametrize(
    ("trouble", "line", "verdict"),
    [
        ("chmod 755 {}", "permissions", "warning"),
        ("chmod 640 {}/secret.key", "secret key", "warning"),
        ("rm {}/secret.key", "secret key", "warning"),
        ("ulimit -n 512", "open files", "error"),
        ("ulimit -n 4096", "open files", "warning"),
        ("mount -t tmpfs -o size=64m,mode=700 tmpfs {}", "file system", "warning"),
        ("mount -t tmpfs -o size=64m,mode=700 tmpfs {}", "disk space", "error"),
    ],
)
def test_a_line_of_the_doctor_turns_and_its_advice_mends_it(tmp_path: Path, trouble: str, line: str, verdict: str) -> None:
    if "mount" in trouble and os.geteuid() != 0:
        missing("only root can mount a file system")
    data = tmp_path / "data"
    assert run("migrate", "--data", str(data)).returncode == 0
    command = [sys.executable, "-m", "entrepot", "doctor", "--json", "--data", str(data)]
    alone = ["unshare", "--mount"] if "mount" in trouble else []
    words = [*alone, "bash", "-ec", f'{trouble.format(data)}; exec "$@"', "bash", *command]
    done = subprocess.run(words, env=surroundings(), capture_output=True, text=True, check=False)
    found: dict[str, Any] = {each["check"]: each for each in json.loads(done.stdout)}[line]
    assert found["verdict"] == verdict
    if found["advice"].startswith("chmod"):
        subprocess.run(found["advice"].split(), check=True)
        mended = {each["check"]: each for each in json.loads(run(*command[3:]).stdout)}[line]
        assert mended["verdict"] == "ok"


def test_going_back_puts_the_copy_of_before_the_upgrade_in_place(tmp_path: Path) -> None:
    settings = Settings(data=str(tmp_path))
    upgrade_to(settings, "0003")
    checked = run("migrate", "--check", "--data", str(tmp_path))
    assert (checked.returncode, "0006_expand_upload_state" in checked.stdout) == (1, True)
    upgrade(settings)
    rows(settings, "INSERT INTO namespace (name, kind, created_at) VALUES ('later', 'user', 0)")
    (commands,) = PAGE.blocks("Upgrading, and going back")
    follow(commands, {"/var/lib/entrepot": tmp_path})
    assert revision(settings) == "0003"
    assert rows(settings, "SELECT count(*) FROM namespace WHERE name = 'later'") == [(0,)]
    assert upgrade(settings), "it cannot be upgraded again"


def test_a_copy_made_while_it_serves_is_restored(
    serve: Callable[..., Instance], tmp_path: Path, short_folder: Path, database_url: str, request: pytest.FixtureRequest
) -> None:
    old, backup, new = serve(database=database_url), short_folder / "backup", tmp_path / "new"
    repo = Repository(old.client(), "team/kept")
    kept = repo.image("v1", seed="kept")
    backup.mkdir()
    for folder in (short_folder, backup):
        folder.chmod(0o777)  # PostgreSQL's programs run as another user
    copying, restoring = PAGE.blocks("Backing up and restoring")
    restored = ""
    if database_url:
        cluster: Cluster = request.getfixturevalue("postgres")
        cluster._run("pg_dump", "--format=custom", f"--file={backup}/entrepot.dump", database_url)
        copying = copying.splitlines()[2]
        restoring = restoring.replace("/backup/entrepot.db ", "")
    follow(copying, {"/var/lib/entrepot": old.data, "/backup": backup})
    repo.image("v2", seed="later")
    old.stop()
    new.mkdir(mode=0o700)
    # As root, to whom everything may belong, another user stands for the service's.
    owner = "nobody" if os.geteuid() == 0 else getpass.getuser()
    follow(restoring.replace("entrepot: ", f"{owner}: "), {"/var/lib/entrepot": new, "/backup": backup})
    restored_files = [new / "blobs"] if database_url else [new / "blobs", new / "entrepot.db"]
    assert {each.owner() for each in restored_files} == {owner}
    if not database_url:
        assert (new / "entrepot.db").stat().st_mode & 0o777 == 0o600
    subprocess.run(["chown", "-R", str(os.geteuid()), str(new)], check=True)
    if database_url:
        restored = cluster.new_database()
        cluster._run("pg_restore", f"--dbname={restored}", f"{backup}/entrepot.dump")
    shutil.copy2(old.data / "secret.key", new)
    again = serve("new", database=restored)
    pulled = Repository(again.client(), "team/kept")
    assert pulled.client.get(pulled.at("manifests/v1")).content == kept
    assert pulled.client.get(pulled.at(f"blobs/{digest_of(b'layer kept')}")).content == b"layer kept"
    assert pulled.tags() == ["v1"]
    assert run("fsck", *place(again)).returncode == 0
    pulled.image("v2", seed="later")


def test_the_data_folder_can_be_moved(serve: Callable[..., Instance], tmp_path: Path) -> None:
    old = serve()
    manifest = Repository(old.client(), "team/moved").image("v1")
    old.stop()
    (commands,) = PAGE.blocks("Moving the data folder")
    follow(commands, {"/var/lib/entrepot": old.data, "/srv/entrepot": tmp_path / "srv"})
    shutil.rmtree(old.data)
    moved = serve("srv")
    assert moved.client().get("/v2/team/moved/manifests/v1").content == manifest
    assert run("fsck", *place(moved)).returncode == 0


def test_while_postgresql_is_away_it_says_so_and_goes_on_when_it_is_back(
    serve: Callable[..., Instance], postgres: Cluster
) -> None:
    instance = serve(database=postgres.new_database())
    manifest = Repository(instance.client(), "team/app").image("v1")
    name = instance.database.rpartition("/")[2]
    postgres.query(f"ALTER DATABASE {name} WITH ALLOW_CONNECTIONS false")
    postgres.query(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")  # noqa: S608 - ours
    answer = instance.client().get("/v2/team/app/manifests/v1")
    assert (answer.status, answer.error_code) == (503, "UNAVAILABLE")
    assert int(answer.headers["retry-after"]) > 0
    ready = instance.client().get("/readyz")
    assert (ready.status, ready.content.startswith(b"degraded: ")) == (200, True)
    assert not re.search(
        r'^entrepot_failures_total\{of="database"\} 0$', instance.client().get("/metrics").content.decode(), re.MULTILINE
    )
    refused = run("serve", "--data", str(instance.data), "--database", instance.database, "--listen", "127.0.0.1:1")
    assert (refused.returncode, "cannot be reached" in refused.stderr) == (1, True)
    pid = instance.pid
    postgres.query(f"ALTER DATABASE {name} WITH ALLOW_CONNECTIONS true")
    eventually(lambda: instance.client().get("/readyz").content.startswith(b"ready"))
    assert instance.client().get("/v2/team/app/manifests/v1").content == manifest
    assert instance.pid == pid


@pytest.mark.parametrize(("apart", "stays"), [(YEARS_US, True), (-YEARS_US, False)], ids=["set back", "ahead"])
def test_a_clock_that_jumps_takes_no_image(serve: Callable[..., Instance], *, apart: int, stays: bool) -> None:
    instance = serve()
    repo = Repository(instance.client(), "team/app")
    manifest, unused = repo.image("v1"), repo.blob(b"unused")["digest"]
    doomed, settings = repo.image("doomed", seed="doomed"), Settings(data=str(instance.data))
    # What a clock that jumps does to all times that were noted before.
    rows(settings, "UPDATE repository_blob SET touched_at = touched_at + $1", apart)
    rows(settings, "UPDATE repository SET uploaded_at = uploaded_at + $1", apart)
    ((before,),) = rows(settings, "SELECT max(id) FROM job")
    assert repo.client.delete(repo.at(f"manifests/{digest_of(doomed)}")).status == 202
    done = "SELECT count(*) FROM job WHERE kind = 'registry.collect' AND state = 'done' AND id > $1"
    eventually(lambda: rows(settings, done, before) != [(0,)])
    assert repo.has_blob(unused) == stays
    assert repo.client.get(repo.at("manifests/v1")).content == manifest
    assert repo.has_blob(digest_of(b"layer "))


def test_the_key_is_changed_by_the_commands_of_the_page_beside_a_server(hub: Instance) -> None:
    (commands,) = PAGE.blocks("Changing the key")
    where = {"ENTREPOT_DATA": str(hub.data)} | ({"ENTREPOT_DATABASE": hub.database} if hub.database else {})
    before = (hub.data / "secret.key").read_text("utf-8")
    said = follow(commands, {}, **where)
    assert "taken out: " in said
    after = (hub.data / "secret.key").read_text("utf-8")
    assert (len(after.splitlines()), after == before) == (1, False)


def blob_file(instance: Instance, content: bytes) -> Path:
    (file,) = (instance.data / "blobs").rglob(f"{digest_of(content).partition(':')[2]}.*")
    return file


@pytest.mark.parametrize("kind", sorted(listed("Is everything still what it was?")))
def test_what_fsck_finds_is_healed_as_the_page_says(serve: Callable[..., Instance], kind: str) -> None:
    instance = serve(jobs="none")
    repo, settings = Repository(instance.client(), "team/app"), Settings(data=str(instance.data))
    image = repo.image("v1")
    layer = blob_file(instance, b"layer ")
    aside = layer.with_name("aside")
    if kind == "damaged":
        layer.chmod(0o600)
        layer.write_bytes(b"lawyer")
    elif kind == "missing":
        layer.unlink()
    elif kind == "unreadable":
        layer.rename(aside)
        layer.mkdir()
    elif kind == "manifest":
        rows(settings, "UPDATE manifest SET content = $1", image[:-1] + b" ")
    elif kind == "reference":
        rows(settings, "DELETE FROM repository_blob WHERE blob IN (SELECT id FROM blob WHERE digest = $1)", digest_of(b"layer "))
    else:
        child = repo.image("child", seed="child")
        repo.index("all", child)
        assert repo.client.delete(repo.at(f"manifests/{digest_of(child)}")).status == 202
    found = json.loads(run("fsck", "--repair", "--json", *place(instance)).stdout)["faults"]
    assert {fault["kind"] for fault in found} == {kind}
    if kind == "unreadable":  # the disk is mended
        layer.rmdir()
        aside.rename(layer)
    elif kind != "child":
        repo.image("v1")
    assert run("fsck", *place(instance)).returncode == 0
    assert repo.client.get(repo.at(f"blobs/{digest_of(b'layer ')}")).content == b"layer "
    assert list((instance.data / "quarantine").glob("*")) != [] or kind != "damaged"
