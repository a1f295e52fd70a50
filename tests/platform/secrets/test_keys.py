"""The master key's file: made once, durable, for its user alone; and what is said about one that cannot be used."""

import base64
import stat
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from entrepot.platform.secrets.keys import SecretKeyUnusable, check_key, ensure_key, read_keys
from support.commands import run
from support.instance import surroundings
from support.tools import program

KEY: Final = base64.b64encode(bytes(range(32)))
OTHER: Final = base64.b64encode(bytes(range(1, 33)))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "secret.key"


@pytest.mark.fast
def test_a_key_is_made_once_for_its_user_alone(file: Path) -> None:
    ensure_key(file)
    made = file.read_bytes()
    assert len(base64.b64decode(made)) == 32
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    ensure_key(file)
    assert file.read_bytes() == made
    assert list(file.parent.iterdir()) == [file]


@pytest.mark.fast
def test_no_two_keys_are_the_same(tmp_path: Path) -> None:
    files = [tmp_path / str(number) for number in range(10)]
    for each in files:
        ensure_key(each)
    assert len({each.read_bytes() for each in files}) == len(files)


def test_of_processes_that_begin_at_once_one_makes_it(file: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from entrepot.platform.secrets.keys import ensure_key, read_keys;"
        "sys.stdin.read(1); ensure_key(Path(sys.argv[1])); print(read_keys(Path(sys.argv[1])).ids[0])"
    )
    command = [sys.executable, "-c", code, str(file)]
    begin = subprocess.PIPE
    children = [subprocess.Popen(command, stdin=begin, stdout=subprocess.PIPE, env=surroundings()) for _ in range(6)]
    for child in children:
        assert child.stdin is not None
        child.stdin.write(b"x")
        child.stdin.flush()
    assert {child.communicate()[0].decode().strip() for child in children} == {read_keys(file).ids[0]}
    assert list(file.parent.iterdir()) == [file]


def test_a_new_key_is_on_the_disk_before_its_name_and_its_name_before_anything_else(file: Path) -> None:
    strace = program("strace")
    code = "import sys, pathlib; from entrepot.platform.secrets import keys; keys.ensure_key(pathlib.Path(sys.argv[1]))"
    traced = ("-f", "-y", "-e", "trace=write,fsync,link,linkat,unlink,unlinkat", sys.executable, "-c", code, str(file))
    said = subprocess.run([strace.path, *traced], env=surroundings(), capture_output=True, text=True, check=True).stderr
    calls = [line.split("(")[0].split()[-1] for line in said.splitlines() if str(file.parent) in line]
    assert [call.removesuffix("at") for call in calls] == ["write", "fsync", "link", "unlink", "fsync"]


@pytest.mark.fast
def test_a_file_may_have_several_keys_and_empty_lines(file: Path) -> None:
    file.write_bytes(KEY + b"\r\n\n" + OTHER)
    assert len(read_keys(file).ids) == 2


@pytest.mark.fast
@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it is empty"),
        (b"\n\n", "it is empty"),
        (b"hunter2!\n", "line 1 is not base64"),
        (base64.b64encode(bytes(31)), "line 1 holds 31 bytes"),
        (KEY + b"\n" + base64.b64encode(bytes(33)), "line 2 holds 33 bytes"),
        (bytes(32), "is not base64"),
    ],
)
def test_a_file_that_holds_no_key_is_refused_without_being_shown(file: Path, content: bytes, reason: str) -> None:
    file.write_bytes(content)
    with pytest.raises(SecretKeyUnusable) as refused:
        read_keys(file)
    assert reason in refused.value.message
    assert "hunter2" not in refused.value.message
    assert check_key(file, is_made=True).verdict == "error"


@pytest.mark.fast
def test_a_key_that_is_not_there_or_cannot_be_made_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SecretKeyUnusable, match="No such file"):
        read_keys(tmp_path / "none")
    with pytest.raises(SecretKeyUnusable, match="No such file"):
        ensure_key(tmp_path / "none" / "secret.key")


@pytest.mark.fast
def test_the_doctor_tells_of_a_key_that_others_may_read(file: Path) -> None:
    ensure_key(file)
    assert check_key(file, is_made=True).verdict == "ok"
    file.chmod(0o640)
    found = check_key(file, is_made=True)
    assert (found.verdict, found.advice) == ("warning", f"chmod 600 {file}")


@pytest.mark.fast
@pytest.mark.parametrize(("is_made", "verdict"), [(True, "warning"), (False, "error")])
def test_the_doctor_tells_of_a_key_that_is_not_there(file: Path, is_made: bool, verdict: str) -> None:  # noqa: FBT001 - a table
    assert check_key(file, is_made=is_made).verdict == verdict
    assert not file.exists()


def test_the_first_start_makes_the_key_and_the_next_one_keeps_it(tmp_path: Path) -> None:
    assert run("migrate", "--data", str(tmp_path)).returncode == 0
    made = (tmp_path / "secret.key").read_bytes()
    assert run("migrate", "--data", str(tmp_path)).returncode == 0
    assert (tmp_path / "secret.key").read_bytes() == made


def test_a_file_that_was_named_is_never_made_and_must_hold_a_key(tmp_path: Path) -> None:
    named = tmp_path / "named"
    data = tmp_path / "data"
    for command in (("migrate",), ("serve", "--listen", "127.0.0.1:1")):
        done = run(*command, "--data", str(data), "--secret-key-file", str(named))
        assert done.returncode == 1
        assert f"the secret key {named} cannot be used: No such file" in done.stderr
    assert not named.exists()
    named.write_bytes(KEY)
    assert run("migrate", "--data", str(data), ENTREPOT_SECRET_KEY_FILE=str(named)).returncode == 0
    assert not (data / "secret.key").exists()
