"""`entrepot doctor`: each trouble really caused, and what is said about it."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from entrepot.base.settings import Settings
from support.commands import place, run
from support.history import options, rows, upgrade, upgrade_to
from support.instance import Instance
from support.nginx import Nginx
from support.postgres import Cluster
from support.processes import free_port

Findings = dict[str, dict[str, Any]]


def doctor(*words: str, code: int) -> Findings:
    """Return what the doctor says, by check; of several findings of one check, the worst."""
    done = run("doctor", "--json", *words)
    assert (done.returncode, done.stderr) == (code, ""), done.stdout + done.stderr
    order = ("ok", "warning", "error")
    every: list[dict[str, Any]] = sorted(json.loads(done.stdout), key=lambda each: order.index(each["verdict"]))
    assert all(each["advice"] or each["verdict"] == "ok" for each in every), "what is wrong has no advice"
    return {each["check"]: each for each in every}


def public(hub: Instance, url: str, code: int) -> dict[str, Any]:
    """Return what is said about the public address, and see that nothing of the upload is left."""
    found = doctor(*place(hub), "--public-url", url, code=code)["public URL"]
    settings = Settings(data=str(hub.data), database=hub.database)
    assert rows(settings, "SELECT count(*) FROM upload") == [(0,)]
    assert list((hub.data / "uploads").iterdir()) == []
    assert hub.client().get("/v2/_catalog").json == {"repositories": []}
    return found


def test_all_is_well_with_a_registry_that_serves(hub: Instance, profile: str) -> None:
    found = doctor(*place(hub), code=0)
    wrong = {name: each for name, each in found.items() if each["verdict"] == "error"}
    assert wrong == {}
    of_both = {
        "permissions",
        "secret key",
        "file system",
        "disk space",
        "disk speed",
        "open files",
        "database",
        "schema",
        "search",
    }
    of_a_server = {"encoding", "collation", "clock", "durability", "connections"}
    assert set(found) == of_both | (of_a_server if profile == "postgresql" else set())
    assert not list(hub.data.glob("doctor-*"))
    done = run("doctor", *place(hub))
    assert done.returncode == 0
    assert len([line for line in done.stdout.splitlines() if line.startswith(("ok", "warning"))]) >= len(found)


def test_a_folder_that_is_not_there_is_an_error_and_is_not_made(tmp_path: Path) -> None:
    found = doctor("--data", str(tmp_path / "none"), code=1)
    assert (found["data folder"]["verdict"], found["database"]["verdict"]) == ("error", "error")
    assert "entrepot migrate" in found["data folder"]["advice"]
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_others_may_read_is_told_with_the_command_that_closes_it(tmp_path: Path) -> None:
    upgrade(Settings(data=str(tmp_path)))
    tmp_path.chmod(0o755)
    found = doctor("--data", str(tmp_path), code=0)["permissions"]
    assert (found["verdict"], found["advice"]) == ("warning", f"chmod 700 {tmp_path}")
    tmp_path.chmod(0o700)
    assert doctor("--data", str(tmp_path), code=0)["permissions"]["verdict"] == "ok"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to somebody else")
def test_a_folder_of_another_user_is_told(tmp_path: Path) -> None:
    upgrade(Settings(data=str(tmp_path)))
    os.chown(tmp_path, 65534, 65534)
    found = doctor("--data", str(tmp_path), code=0)["permissions"]
    assert found["verdict"] == "warning"
    assert "belongs to nobody" in found["told"]


def test_a_schema_of_before_is_told_and_stays(tmp_path: Path, database_url: str) -> None:
    settings = Settings(data=str(tmp_path), database=database_url)
    upgrade_to(settings, "0001")
    found = doctor(*options(settings), code=0)["schema"]
    assert found["verdict"] == "warning"
    assert "0002_expand_uploads" in found["told"]
    assert "entrepot migrate" in found["advice"]
    assert rows(settings, "SELECT version_num FROM alembic_version") == [("0001",)]


def test_a_file_that_is_no_database_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "entrepot.db").write_bytes(b"not a database" * 1000)
    found = doctor("--data", str(tmp_path), code=1)["database"]
    assert (found["verdict"], "cannot be read" in found["told"]) == ("error", True)


def test_a_server_that_does_not_answer_is_an_error_without_its_password(tmp_path: Path) -> None:
    url = f"postgresql://u:hunter2@127.0.0.1:{free_port()}/n"
    done = run("doctor", "--data", str(tmp_path), "--database", url)
    assert done.returncode == 1
    assert "cannot be reached" in done.stdout
    assert "hunter2" not in done.stdout + done.stderr


@pytest.fixture
def on_server(postgres: Cluster, tmp_path: Path) -> Settings:
    """A database of the newest schema on PostgreSQL."""
    settings = Settings(data=str(tmp_path), database=postgres.new_database())
    upgrade(settings)
    return settings


def test_commits_that_may_be_lost_are_an_error(on_server: Settings) -> None:
    name = on_server.database.rpartition("/")[2]
    rows(on_server, f"ALTER DATABASE {name} SET synchronous_commit = off")
    found = doctor(*options(on_server), code=1)["durability"]
    assert found["verdict"] == "error"
    assert "synchronous_commit is off" in found["told"]


def test_text_that_is_compared_by_a_language_is_an_error(on_server: Settings) -> None:
    rows(on_server, 'ALTER TABLE tag ALTER COLUMN name TYPE text COLLATE "en-US-x-icu"')
    found = doctor(*options(on_server), code=1)["collation"]
    assert found["told"].startswith("tag.name: ")


def test_a_database_that_is_not_in_utf8_is_an_error(postgres: Cluster, tmp_path: Path) -> None:
    postgres.query("CREATE DATABASE ascii TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE_PROVIDER libc LOCALE 'C'")
    database = f"postgresql://entrepot@127.0.0.1:{postgres.port}/ascii"
    found = doctor("--data", str(tmp_path), "--database", database, code=1)["encoding"]
    assert found["told"] == "the database is in SQL_ASCII"


def test_more_web_processes_than_the_server_has_connections_for_are_told(on_server: Settings) -> None:
    found = doctor(*options(on_server), "--workers", "64", code=0)["connections"]
    assert (found["verdict"], "max_connections" in found["advice"]) == ("warning", True)
    assert "586" in found["told"]


def test_the_registry_itself_takes_the_upload(hub: Instance) -> None:
    found = public(hub, hub.url, 0)
    assert found["verdict"] == "ok"
    assert found["told"].startswith("200 MB in one request through")


@pytest.mark.parametrize(
    ("lines", "verdict", "told", "advice"),
    [
        ((), "error", "answered 413 after", "client_max_body_size 0;"),
        (("client_max_body_size 0;",), "warning", "stored on the way", "proxy_request_buffering off;"),
        (("client_max_body_size 0;", "proxy_request_buffering off;"), "ok", "through nginx", ""),
        (("proxy_set_header X-Forwarded-For $remote_addr;",), "error", "came through a proxy", "--access open"),
        (("proxy_set_header Host hub.example;",), "error", "not as 'hub.example'", "--access open"),
    ],
)
def test_the_setting_of_nginx_that_stops_uploads_is_named(
    hub: Instance, tmp_path: Path, lines: tuple[str, ...], verdict: str, told: str, advice: str
) -> None:
    with Nginx(tmp_path / "nginx", hub.port, *lines) as nginx:
        found = public(hub, nginx.url, 1 if verdict == "error" else 0)
    assert found["verdict"] == verdict
    assert told in found["told"]
    assert advice in found["advice"]


def test_a_proxy_that_leads_nowhere_is_told(hub: Instance, tmp_path: Path) -> None:
    with Nginx(tmp_path / "nginx", free_port()) as nginx:
        found = public(hub, nginx.url, 1)
    assert "answered 502" in found["told"]
    assert "proxy_pass" in found["advice"]


def test_where_people_sign_in_it_uploads_as_an_administrator(tmp_path: Path) -> None:
    with Instance(tmp_path / "data", access="accounts") as instance:
        own = ("--access", "accounts", *place(instance))
        found = doctor(*own, "--public-url", instance.url, code=0)["public URL"]
        assert found["told"].startswith("200 MB in one request through")
        assert rows(Settings(data=str(instance.data)), "SELECT count(*) FROM upload") == [(0,)]


def test_where_nobody_can_sign_in_yet_it_does_not_try(hub: Instance) -> None:
    found = doctor("--access", "accounts", *place(hub), "--public-url", hub.url, code=0)["public URL"]
    assert (found["verdict"], "makes the first" in found["advice"]) == ("warning", True)


def test_an_address_where_nobody_listens_is_told(hub: Instance) -> None:
    found = public(hub, f"http://127.0.0.1:{free_port()}", 1)
    assert "cannot be reached" in found["told"]


def test_another_registry_at_the_address_is_told_and_nothing_is_left_there(hub: Instance, tmp_path: Path) -> None:
    with Instance(tmp_path / "other") as other:
        found = public(hub, other.url, 1)
        assert "other data" in found["told"]
        assert rows(Settings(data=str(other.data)), "SELECT count(*) FROM upload") == [(0,)]


def test_a_read_only_registry_is_told_of(hub: Instance) -> None:
    assert run("mode", "read-only", "--reason", "moving", *place(hub)).returncode == 0
    found = doctor(*place(hub), code=0)["mode"]
    assert (found["verdict"], found["told"]) == ("warning", "the registry is read-only: moving")
    assert run("mode", "normal", *place(hub)).returncode == 0
    assert "mode" not in doctor(*place(hub), code=0)
