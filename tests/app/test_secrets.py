"""Changing the master key under secrets in use: whatever breaks it off, nothing that was sealed becomes unreadable."""

import asyncio
import base64
import fcntl
import importlib
import json
import os
import pkgutil
import random
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from sqlalchemy import MetaData

import entrepot
from entrepot.app.parts import key_file
from entrepot.app.secrets import TABLES, InUse, Rotated, in_use, rotate
from entrepot.base.settings import Settings
from entrepot.platform.secrets.envelope import KeyRing
from entrepot.platform.secrets.keys import keys_in
from entrepot.platform.secrets.rotation import KeyFile
from support.commands import run
from support.history import options, rows
from support.instance import surroundings
from support.parts import opened as database
from support.schemas import create
from support.sealed import COLUMNS, METADATA, Server, fill, opened
from support.tools import PROJECT


@pytest.fixture
def place(tmp_path: Path, database_url: str) -> Settings:
    """A data folder with a key, and tables that hold secrets."""
    made = Settings(data=str(tmp_path / "data"), database=database_url)
    assert run("migrate", *options(made)).returncode == 0
    create(made, METADATA)
    return made


def rotated(place: Settings, step: str = "all", use: str = "") -> Rotated:
    return asyncio.run(rotate(place, step, use, COLUMNS))  # type: ignore[arg-type]  # a step


def used(place: Settings) -> list[InUse]:
    return asyncio.run(in_use(place, COLUMNS))


def start(place: Settings, step: str) -> "subprocess.Popen[str]":
    """Change the key in another process, and return when it begins."""
    command = [sys.executable, "-m", "support.sealed", place.data, place.database, step]
    path = os.pathsep.join(map(str, (PROJECT / "src", PROJECT / "tests", PROJECT)))
    child = subprocess.Popen(command, env=surroundings() | {"PYTHONPATH": path}, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "begun\n"
    return child


def ended(place: Settings, step: str) -> int:
    """Change the key in another process to its end."""
    with start(place, step) as child:
        return child.wait()


def test_every_secret_is_sealed_anew_and_the_old_key_goes_last(place: Settings) -> None:
    secrets, file = fill(place, 250), key_file(place)
    (old,) = keys_in(file)
    seed = KeyFile(file).ring().seal(b"seed", "signer a")
    rows(place, "INSERT INTO test_signer (name, seed) VALUES ('a', $1), ('b', NULL)", seed)
    done = rotated(place)
    new, second = keys_in(file)
    assert (done.sealed_anew, done.unreadable, done.removed) == (251, [], [])
    assert (second, stat.S_IMODE(file.stat().st_mode)) == (old, 0o600)
    assert opened(place) == secrets
    (found,) = rows(place, "SELECT seed FROM test_signer WHERE name = 'a'")
    assert KeyRing([new]).open(bytes(found[0]), "signer a") == b"seed"  # type: ignore[call-overload]  # bytes
    assert [(each.secrets, each.known) for each in used(place)] == [(251, True), (0, True)]
    assert rotated(place, "finish").removed == KeyRing([old]).ids
    assert keys_in(file) == [new]
    assert opened(place) == secrets
    assert [path.name for path in file.parent.glob("secret.key*")] == ["secret.key"]


def test_killed_anywhere_it_goes_on_where_it_was(place: Settings) -> None:
    secrets = fill(place, 1500)
    chance = random.Random(4)
    finished = 0
    for _ in range(4):
        with start(place, chance.choice(["all", "finish"])) as child:
            time.sleep(chance.uniform(0, 1.2))
            child.kill()
        finished += child.returncode == 0
        assert opened(place) == secrets
    assert finished < 4, "none was broken off"
    rotated(place)
    assert opened(place) == secrets
    rotated(place, "finish")
    assert opened(place) == secrets
    assert len(keys_in(key_file(place))) == 1


def test_what_a_killed_command_left_of_the_keys_goes_with_the_next_one(place: Settings) -> None:
    file = key_file(place)
    left, copied = file.with_name(f"{file.name}.new-0123"), file.with_name(f"{file.name}.of-last-year")
    for each in (left, copied):
        each.write_bytes(file.read_bytes())
    rotated(place)
    assert not left.exists()
    assert copied.exists(), "it is a person's own"


def test_what_was_broken_off_is_continued_with_the_same_key(place: Settings) -> None:
    fill(place, 30)
    first = rotated(place).seals
    fresh = os.urandom(32)
    file = key_file(place)
    file.write_bytes(base64.b64encode(fresh) + b"\n" + file.read_bytes())
    done = rotated(place)
    assert done.seals == KeyRing([fresh]).ids[0], "a third key was made"
    assert (done.sealed_anew, done.opens[0]) == (30, first)


def test_a_server_reads_and_seals_all_the_time(place: Settings) -> None:
    secrets = fill(place, 400)

    async def scenario() -> None:
        async with database(place) as db:
            server, over = Server(db, place), asyncio.Event()

            async def serve(chance: random.Random) -> int:
                count = 0
                while not over.is_set():
                    row = chance.choice(range(1, 401))
                    assert (await server.secret(row)).startswith(b"secret")
                    count += 1
                    await asyncio.sleep(0)
                return count

            async def change() -> int:
                count = 0
                while not over.is_set():
                    count += 1
                    secrets[1 + count % 400] = f"secret changed {count}".encode()
                    await server.change(1 + count % 400, secrets[1 + count % 400])
                return count

            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(serve(random.Random(1))), group.create_task(change())]
                for step in ("all", "finish"):
                    assert await asyncio.to_thread(ended, place, step) == 0
                over.set()
            assert all(task.result() > 50 for task in tasks)

    asyncio.run(scenario())
    assert opened(place) == secrets
    assert len(keys_in(key_file(place))) == 1


def test_a_key_that_something_needs_after_all_is_put_back(place: Settings) -> None:
    fill(place, 3)
    old = KeyFile(key_file(place)).ring()
    rotated(place)
    with start(place, "finish") as child:
        kept = Path(f"{key_file(place)}.before")
        while not kept.exists():
            assert child.poll() is None
        time.sleep(0.3)
        rows(place, "UPDATE test_hook SET secret = $1 WHERE id = 1", old.seal(b"late", "webhook 1"))
    assert child.returncode == 0
    assert opened(place)[1] == b"late"
    assert not kept.exists()


def test_killed_before_it_was_sure_it_puts_the_key_back_the_next_time(place: Settings) -> None:
    fill(place, 3)
    both = rotated(place)
    with start(place, "finish") as child:
        while len(keys_in(key_file(place))) == 2:
            assert child.poll() is None
        child.send_signal(signal.SIGKILL)
    assert rotated(place, "stage").opens[:1] == both.opens
    assert not Path(f"{key_file(place)}.before").exists()


def test_what_cannot_be_read_is_told_and_keeps_its_key(place: Settings) -> None:
    fill(place, 3)
    strange = KeyRing([os.urandom(32)])
    damaged = bytearray(KeyFile(key_file(place)).ring().seal(b"x", "webhook 2"))
    damaged[-1] ^= 1
    rows(place, "UPDATE test_hook SET secret = $1 WHERE id = 1", strange.seal(b"x", "webhook 1"))
    rows(place, "UPDATE test_hook SET secret = $1 WHERE id = 2", bytes(damaged))
    done = rotated(place)
    assert (done.sealed_anew, len(done.unreadable)) == (1, 2)
    assert f"webhook 1 was sealed with key {strange.ids[0]}" in done.unreadable[0]
    assert "webhook 2 cannot be read" in done.unreadable[1]
    assert rotated(place, "finish").removed == []
    assert used(place)[-1] == InUse(strange.ids[0], 1, known=False)


def test_on_several_machines_the_key_is_everywhere_before_it_seals(place: Settings) -> None:
    secrets = fill(place, 3)
    staged = rotated(place, "stage")
    assert (staged.sealed_anew, staged.opens) == (0, [staged.staged])
    elsewhere = KeyRing(keys_in(key_file(place)))  # the file, copied
    done = rotated(place, use=staged.staged)
    assert (done.sealed_anew, done.seals) == (3, staged.staged)
    for id_, secret in rows(place, "SELECT id, secret FROM test_hook"):
        assert elsewhere.open(bytes(secret), f"webhook {id_}") == secrets[int(str(id_))]  # type: ignore[call-overload]  # bytes
    assert rotated(place, "finish").removed == [staged.seals]


def test_the_commands_tell_what_was_done(tmp_path: Path) -> None:
    where = ["--data", str(tmp_path / "data")]
    assert run("migrate", *where).returncode == 0
    (before,) = json.loads(run("secrets", "check", "--json", *where).stdout)
    assert run("secrets", "check", *where).stdout == f"{before['key']}         0 secrets\n"
    done = json.loads(run("secrets", "rotate", "--json", *where).stdout)
    assert (done["opens"], done["sealed_anew"]) == ([before["key"]], 0)
    said = run("secrets", "rotate", "--finish", *where).stdout
    assert said == f"0 secrets sealed anew; key {done['seals']} seals\ntaken out: {before['key']}\n"
    said = run("secrets", "rotate", "--stage", *where).stdout.splitlines()[-1]
    assert said.startswith("copy the file to all machines, then: entrepot secrets rotate --use ")
    assert run("secrets", "rotate", "--use", said.split()[-1], *where).returncode == 0
    refused = run("secrets", "rotate", "--use", "0" * 16, *where)
    assert (refused.returncode, "has no key 0000" in refused.stderr) == (1, True)
    assert run("secrets", "rotate", "--stage", "--finish", *where).returncode == 2


def test_one_command_at_a_time_changes_the_file_and_a_link_stays_one(tmp_path: Path) -> None:
    where = ["--data", str(tmp_path / "data"), "--secret-key-file", str(tmp_path / "link")]
    (tmp_path / "keys").mkdir()
    target = tmp_path / "keys" / "key"
    target.write_bytes(base64.b64encode(bytes(32)))
    target.chmod(0o640)
    (tmp_path / "link").symlink_to(target)
    assert run("migrate", *where).returncode == 0
    folder = os.open(target.parent, os.O_RDONLY)
    fcntl.flock(folder, fcntl.LOCK_EX)
    refused = run("secrets", "rotate", *where)
    assert (refused.returncode, "another command is changing it" in refused.stderr) == (1, True)
    os.close(folder)
    assert run("secrets", "rotate", *where).returncode == 0
    assert (tmp_path / "link").is_symlink()
    assert len(keys_in(target)) == 2
    assert stat.S_IMODE(target.stat().st_mode) == 0o640


def test_no_table_of_any_feature_is_left_out() -> None:
    modules = [each.name for each in pkgutil.walk_packages(entrepot.__path__, "entrepot.") if each.name.endswith(".tables")]
    described = [
        value for name in modules for value in vars(importlib.import_module(name)).values() if isinstance(value, MetaData)
    ]
    assert {id(each) for each in described} == {id(each) for each in TABLES}
