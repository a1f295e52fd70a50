"""The authority of our own: what it makes, when it makes it anew, and who may read it."""

import socket
import subprocess
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from entrepot.platform.tls.authority import ensure, our_names
from entrepot.platform.tls.pairs import CertificateUnusable
from support.certificates import Authority, openssl

NAMES = ["localhost", "127.0.0.1", "::1", "hub.example"]


def test_the_names_are_all_by_which_clients_may_come() -> None:
    host = socket.gethostname().lower()
    assert our_names("10.1.2.3", "https://Hub.example:8443") == [
        *dict.fromkeys(["localhost", "127.0.0.1", "::1", host, "10.1.2.3", "hub.example"])
    ]
    assert our_names("0.0.0.0", "") == list(dict.fromkeys(["localhost", "127.0.0.1", "::1", host]))  # noqa: S104
    assert our_names("fe80::1%eth0", "")[-1] == "fe80::1"
    assert "odd_name" not in our_names("odd_name", "")


def test_the_authority_signs_for_ten_years_and_the_certificate_for_397_days(tmp_path: Path) -> None:
    pair = ensure(tmp_path / "tls", NAMES)
    authority = x509.load_pem_x509_certificate((tmp_path / "tls" / "ca.crt").read_bytes())
    assert authority.not_valid_after_utc - authority.not_valid_before_utc == timedelta(days=3652)
    assert pair.ends_at - pair.begins_at == timedelta(days=397)
    assert pair.begins_at < datetime.now(UTC) - timedelta(minutes=59)
    assert (pair.names, isinstance(pair.key, ec.EllipticCurvePrivateKey)) == (
        ["localhost", "hub.example", "127.0.0.1", "::1"],
        True,
    )
    text = openssl("x509", "-noout", "-text", "-in", tmp_path / "tls" / "ca.crt").decode()
    assert "CA:TRUE, pathlen:0" in text
    assert "prime256v1" in text


def test_openssl_verifies_it_for_its_names_only(tmp_path: Path) -> None:
    ensure(tmp_path / "tls", NAMES)
    words = ("verify", "-CAfile", tmp_path / "tls" / "ca.crt", "-x509_strict", "-purpose", "sslserver")
    for option, name in (("-verify_hostname", "hub.example"), ("-verify_ip", "::1")):
        assert openssl(*words, option, name, tmp_path / "tls" / "server.pem").endswith(b": OK\n")
    with pytest.raises(subprocess.CalledProcessError):
        openssl(*words, "-verify_hostname", "other.example", tmp_path / "tls" / "server.pem")


def test_keys_are_their_users_alone_and_the_authority_may_be_read_by_all(tmp_path: Path) -> None:
    ensure(tmp_path / "tls", NAMES)
    modes = {file.name: file.stat().st_mode & 0o777 for file in [tmp_path / "tls", *(tmp_path / "tls").iterdir()]}
    assert modes == {"tls": 0o700, "ca.key": 0o600, "server.pem": 0o600, "ca.crt": 0o644}


def test_what_is_right_stays(tmp_path: Path) -> None:
    assert ensure(tmp_path / "tls", NAMES).pem == ensure(tmp_path / "tls", [*reversed(NAMES)]).pem


def test_other_names_make_another_certificate_of_the_same_authority(tmp_path: Path) -> None:
    before = ensure(tmp_path / "tls", NAMES)
    authority = (tmp_path / "tls" / "ca.crt").read_bytes()
    after = ensure(tmp_path / "tls", ["localhost"])
    assert (after.names, after.chain[0].serial_number == before.chain[0].serial_number) == (["localhost"], False)
    assert (tmp_path / "tls" / "ca.crt").read_bytes() == authority


@pytest.mark.parametrize(("days", "stays"), [(29, False), (31, True)])
def test_less_than_thirty_days_make_another_certificate(tmp_path: Path, days: int, stays: bool) -> None:  # noqa: FBT001 - a case
    folder = tmp_path / "tls"
    ensure(folder, ["localhost"])
    own = Authority(tmp_path, folder / "ca.crt", folder / "ca.key")
    certificate, key = own.sign("short", names="DNS:localhost", dates=("-days", str(days)))
    (folder / "server.pem").write_bytes(certificate.read_bytes() + key.read_bytes())
    left = ensure(folder, ["localhost"]).ends_at - datetime.now(UTC)
    assert (left < timedelta(days=32)) is stays


def test_a_certificate_of_another_authority_is_replaced(tmp_path: Path) -> None:
    folder = tmp_path / "tls"
    ensure(folder, ["localhost"])
    certificate, key = Authority.make(tmp_path / "other").sign("alien", names="DNS:localhost", dates=("-days", "300"))
    (folder / "server.pem").write_bytes(certificate.read_bytes() + key.read_bytes())
    assert "O=alien" not in ensure(folder, ["localhost"]).chain[0].issuer.rfc4514_string()
    assert ensure(folder, ["localhost"]).chain[0].issuer.rfc4514_string().startswith("CN=Entrepot on ")


@pytest.mark.parametrize("broken", ["ca.key", "ca.crt"])
def test_a_damaged_authority_is_told_and_never_replaced_by_itself(tmp_path: Path, broken: str) -> None:
    folder = tmp_path / "tls"
    ensure(folder, ["localhost"])
    (folder / broken).write_bytes(b"")
    with pytest.raises(CertificateUnusable) as refused:
        ensure(folder, ["localhost"])
    assert f"Restore {folder}, or move it away" in refused.value.message
    assert (folder / broken).read_bytes() == b""


def test_many_at_once_make_one_authority(tmp_path: Path) -> None:
    made: list[bytes] = []
    threads = [threading.Thread(target=lambda: made.append(ensure(tmp_path / "tls", NAMES).pem)) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 12
    assert len(set(made)) == 1
