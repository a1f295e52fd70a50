"""What the doctor says of each trouble with a certificate, caused by real ones."""

from pathlib import Path

import pytest

from entrepot.app.certificates import check
from entrepot.base.settings import Settings
from support.certificates import Authority

_PAST = ("-startdate", "20200101000000Z", "-enddate", "20200201000000Z")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.make(tmp_path_factory.mktemp("authority"))


def _looked_at(folder: Path, chain: list[Path], key: Path, public_url: str = "") -> list[tuple[str, str, str]]:
    (folder / "chain.pem").write_bytes(b"".join(each.read_bytes() for each in chain))
    key.chmod(0o640)
    settings = Settings(tls=str(folder / "chain.pem"), tls_key=str(key), public_url=public_url)
    return [(each.check, each.verdict, f"{each.told} | {each.advice}") for each in check(settings)]


def test_nothing_is_said_without_tls() -> None:
    assert check(Settings()) == []


def test_all_is_well_with_a_whole_chain(authority: Authority, tmp_path: Path) -> None:
    below = authority.intermediate()
    certificate, key = below.sign("well")
    found = _looked_at(tmp_path, [certificate, below.file, authority.file], key, "https://localhost:5000")
    assert [each[:2] for each in found] == [("certificate", "ok")]
    assert "for localhost, 127.0.0.1" in found[0][2]


@pytest.mark.parametrize(
    ("dates", "verdict", "told"),
    [
        (_PAST, "error", "expired on 2020-02-01T00:00:00Z | renew it; a running service takes the new one by itself"),
        (("-startdate", "20990101000000Z", "-enddate", "20990201000000Z"), "error", "is the clock of this machine right?"),
        (("-days", "13"), "warning", "it ends on "),
        (("-days", "15"), "ok", "valid until "),
    ],
)
def test_dates(authority: Authority, tmp_path: Path, dates: tuple[str, ...], verdict: str, told: str) -> None:
    certificate, key = authority.sign("dated", dates=dates)
    found = _looked_at(tmp_path, [certificate, authority.file], key)
    assert [each[:2] for each in found] == [("certificate", verdict)]
    assert told in found[0][2]


def test_a_leaf_without_its_intermediate_is_a_warning(authority: Authority, tmp_path: Path) -> None:
    certificate, key = authority.intermediate().sign("alone")
    [(_, verdict, told)] = _looked_at(tmp_path, [certificate], key)
    assert verdict == "warning"
    assert "its issuer CN=Test Intermediate is no root that is trusted here" in told
    assert "fullchain.pem" in told


def test_a_chain_in_disorder_is_a_warning(authority: Authority, tmp_path: Path) -> None:
    below = authority.intermediate()
    certificate, key = below.sign("disorder")
    [(_, verdict, told)] = _looked_at(tmp_path, [certificate, authority.file, below.file], key)
    assert verdict == "warning"
    assert "CN=disorder is followed by CN=Test Root, which did not issue it" in told


def test_an_issuer_that_ends_is_a_warning(authority: Authority, tmp_path: Path) -> None:
    below = authority.intermediate("Short Intermediate", dates=("-days", "10"))
    certificate, key = below.sign("longer")
    [(_, verdict, told)] = _looked_at(tmp_path, [certificate, below.file, authority.file], key)
    assert verdict == "warning"
    assert "CN=Short Intermediate in the chain ends on" in told


def test_names_are_held_against_the_public_url(authority: Authority, tmp_path: Path) -> None:
    certificate, key = authority.sign("named")
    [(_, verdict, told)] = _looked_at(tmp_path, [certificate, authority.file], key, "https://hub.example")
    assert verdict == "error"
    assert "it is for localhost, 127.0.0.1, not for hub.example" in told


@pytest.mark.parametrize(("mode", "verdict"), [(0o600, "ok"), (0o640, "ok"), (0o644, "warning")])
def test_a_key_that_all_may_read_is_a_warning(authority: Authority, tmp_path: Path, mode: int, verdict: str) -> None:
    certificate, key = authority.sign("open")
    _looked_at(tmp_path, [certificate, authority.file], key)
    key.chmod(mode)
    [found] = check(Settings(tls=str(tmp_path / "chain.pem"), tls_key=str(key)))
    assert found.verdict == verdict
    assert verdict == "ok" or found.advice == f"chmod o= {key}"


def test_what_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    [found] = check(Settings(tls=str(tmp_path / "none.pem")))
    assert (found.check, found.verdict) == ("certificate", "error")
    assert "No such file" in found.told


def test_an_authority_that_is_not_there_yet_is_no_error_and_is_not_made(tmp_path: Path) -> None:
    [found] = check(Settings(data=str(tmp_path), tls="self-signed"))
    assert found.verdict == "warning"
    assert list(tmp_path.iterdir()) == []
