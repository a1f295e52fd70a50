"""The `entrepot` command as people use it: help, exit codes, and what is said when something is wrong."""

import json
import os
import socket
import stat
from pathlib import Path

import pytest
import typer

from entrepot import __version__
from entrepot.base import settings
from entrepot.base.errors import Unavailable
from entrepot.cli.settings import refusals
from entrepot.platform.db.database import DatabaseUnavailable
from support.commands import run
from support.sources import start_command

WITH_SETTINGS = pytest.mark.parametrize(
    "command",
    ["serve", "worker", "migrate", "config", "doctor", "fsck", "job list", "secrets rotate", "storage leftovers", "tag history"],
)


def test_the_version_is_printed() -> None:
    done = run("version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{__version__}\n", "")


def test_versions_and_migrations_are_also_told_as_json(tmp_path: Path) -> None:
    assert json.loads(run("version", "--json").stdout) == {"version": __version__}
    where = ["--data", str(tmp_path / "data"), "--json"]
    pending = run("migrate", "--check", *where)
    names = json.loads(pending.stdout)["would_run"]
    assert (pending.returncode, names[0]) == (1, "0001_expand_registry")
    assert json.loads(run("migrate", *where).stdout) == {"ran": names}
    assert json.loads(run("migrate", "--check", *where).stdout) == {"would_run": []}
    assert json.loads(run("migrate", *where).stdout) == {"ran": []}


def test_without_a_command_the_commands_are_listed() -> None:
    done = run("--help")
    assert done.returncode == 0
    for command in ("serve", "worker", "migrate", "config", "doctor", "version", "job", "storage", "tag"):
        assert f"\n  {command} " in done.stdout
    bare = run()
    assert bare.returncode == 2
    assert "serve" in bare.stdout + bare.stderr


@WITH_SETTINGS
def test_the_help_names_every_setting_with_what_it_takes_and_its_default(command: str) -> None:
    done = run(*command.split(), "--help", COLUMNS="400")
    assert done.returncode == 0
    text = " ".join(done.stdout.split())
    for name, field in settings.FIELDS.items():
        assert f"--{settings.option(name)} VALUE" in text
        assert f"{settings.sentence(name)} Expected: {settings.expected(name)}." in text
        default = str(field.default).lower() if isinstance(field.default, bool) else field.default
        assert default == "" or f"Expected: {settings.expected(name)}. Default: {default}." in text


@WITH_SETTINGS
def test_an_unknown_option_is_wrong_use_and_the_nearest_one_is_named(command: str) -> None:
    done = run(*command.split(), "--worker", "3")
    assert done.returncode == 2
    assert "--workers" in done.stderr


def test_an_unknown_command_is_wrong_use() -> None:
    assert run("publish").returncode == 2
    assert run("tag").returncode == 2
    assert run("tag", "history").returncode == 2


@WITH_SETTINGS
def test_an_ill_typed_setting_stops_every_command_with_one_sentence(command: str) -> None:
    words = [*command.split(), *(["a/b:v1"] if command == "tag history" else [])]
    done = run(*words, "--workers", "many")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "entrepot: --workers is 'many': expected a number from 0 to 64\n"
    done = run(*words, ENTREPOT_WORKER="3")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "entrepot: ENTREPOT_WORKER is not a setting; the nearest one is ENTREPOT_WORKERS\n"


def test_the_settings_in_force_are_shown_with_where_they_come_from(tmp_path: Path) -> None:
    file = tmp_path / "entrepot.toml"
    file.write_text('log-format = "json"\nworkers = 2\n', "utf-8")
    words = ["config", "--gc-grace", "99", "--config", str(file), "--database", "postgresql://u:hunter2@h/n"]
    done = run(*words, "--json", ENTREPOT_WORKERS="3", ENTREPOT_PORT="tcp://10.0.0.1:5000")
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    assert set(found) == {settings.option(name) for name in settings.FIELDS}
    assert found["gc-grace"] == {"value": "99", "from": "--gc-grace"}
    assert found["workers"] == {"value": "3", "from": "ENTREPOT_WORKERS"}
    assert found["log-format"] == {"value": "json", "from": f"log-format in {file}"}
    assert found["sparse"] == {"value": "none", "from": "default"}
    assert found["open-to-network"] == {"value": "false", "from": "default"}
    assert found["database"] == {"value": "***", "from": "--database"}
    assert "hunter2" not in done.stdout + run(*words).stdout


def test_people_get_the_same_settings_as_a_table(tmp_path: Path) -> None:
    file = tmp_path / "entrepot.toml"
    file.write_text("workers = 2\n", "utf-8")
    done = run("config", ENTREPOT_CONFIG=str(file))
    rows = dict(line.split(maxsplit=1) for line in done.stdout.splitlines())
    assert set(rows) == {settings.option(name) for name in settings.FIELDS}
    assert rows["workers"].split() == ["2", "workers", "in", str(file)]


def test_a_settings_file_that_is_not_there_is_wrong_use(tmp_path: Path) -> None:
    done = run("config", "--config", str(tmp_path / "none.toml"))
    assert done.returncode == 2
    assert "none.toml cannot be read" in done.stderr


@pytest.mark.parametrize("host", ["0.0.0.0", "[::]", "192.168.1.1", "hub.example.com"])  # noqa: S104 - refused, not listened on
def test_open_access_is_not_served_beyond_this_machine_unless_that_is_meant(tmp_path: Path, host: str) -> None:
    done = run("serve", "--listen", f"{host}:5000", "--data", str(tmp_path / "data"))
    assert done.returncode == 2
    assert "--open-to-network true" in done.stderr
    assert "use --listen 127.0.0.1:5000" in done.stderr
    assert not (tmp_path / "data").exists(), "nothing was done before"


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
def test_a_taken_port_is_told_in_one_sentence(tmp_path: Path, host: str) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host.strip("[]"), 0), family=family) as taken:
        port = taken.getsockname()[1]
        done = run("serve", "--listen", f"{host}:{port}", "--data", str(tmp_path / "data"))
    assert done.returncode == 1
    said = [line for line in done.stderr.splitlines() if line.startswith("entrepot: ")]
    assert len(said) == 1
    assert f"{host.strip('[]')}:{port} cannot be listened on: Address already in use" in said[0]
    assert "choose another port with --listen" in said[0]
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--listen", "127.0.0.1:65536"], 2, "--listen is '127.0.0.1:65536': expected HOST:PORT"),
        (["--public-url", "http://[x"], 2, "--public-url is 'http://[x': expected http(s)://HOST[:PORT]"),
        (["--database", "postgresql://u:hunter2@[/n"], 2, "--database is '***': expected postgresql://"),
        (["--database", "postgresql://u:hunter2@localhost:65536/n"], 2, "--database is '***': expected postgresql://"),
        (["--database", "postgresql://u:hunter2@127.0.0.1:1/n"], 1, "the database 127.0.0.1:1/n cannot be reached"),
        (["--data", "/dev/null"], 1, "the data folder /dev/null cannot be used: File exists"),
        (["--data", "/dev/null/data"], 1, "the data folder /dev/null/data cannot be used: Not a directory"),
    ],
)
def test_what_cannot_be_served_is_told_in_one_sentence(tmp_path: Path, words: list[str], code: int, said: str) -> None:
    done = run("serve", *(() if "--data" in words else ("--data", str(tmp_path / "data"))), *words)
    assert done.returncode == code
    assert f"entrepot: {said}" in done.stderr
    assert "Traceback" not in done.stderr
    assert "hunter2" not in done.stderr


def test_why_a_database_is_not_available_is_told(tmp_path: Path) -> None:
    assert run("migrate", "--data", str(tmp_path)).returncode == 0
    (tmp_path / "entrepot.db-writer").mkdir()
    done = run("job", "list", "--data", str(tmp_path))
    assert done.returncode == 1
    assert done.stderr.startswith("entrepot: the registry's database is not available at the moment")
    assert "(IsADirectoryError: [Errno 21] Is a directory: " in done.stderr


@pytest.mark.parametrize("error", [DatabaseUnavailable(), Unavailable("storage")])
def test_what_may_cite_a_password_is_not_told(error: Unavailable, capsys: pytest.CaptureFixture[str]) -> None:
    causes = [ValueError("hunter2")] if isinstance(error, DatabaseUnavailable) else [OSError("hunter2"), ValueError("hunter2")]
    for cause in causes:
        with pytest.raises(typer.Exit), refusals():
            raise error from cause
    assert "hunter2" not in capsys.readouterr().err


def test_a_database_is_migrated_once_and_its_folder_is_private(tmp_path: Path) -> None:
    data = tmp_path / "data"
    first, second = (run("migrate", "--data", str(data)) for _ in range(2))
    assert (first.returncode, second.returncode) == (0, 0)
    assert first.stdout.startswith("migrated to schema ")
    assert second.stdout == "the schema is up to date\n"
    assert stat.S_IMODE(data.stat().st_mode) == 0o700


@WITH_SETTINGS
def test_what_a_command_makes_is_for_its_user_alone(tmp_path: Path, command: str) -> None:
    # A settings file that comes through a pipe: opening it for writing waits until the command reads it.
    pipe = tmp_path / "entrepot.toml"
    os.mkfifo(pipe)
    child = start_command(*command.split(), *(["a/b:v1"] if command == "tag history" else []), "--config", str(pipe))
    with pipe.open("w") as settings_file:
        status = Path(f"/proc/{child.pid}/status").read_text("utf-8")
        settings_file.write("nonsense")
    child.communicate(timeout=60)
    assert child.returncode == 2
    assert "\nUmask:\t0077\n" in status
