"""Certificates and keys in every form that openssl makes, and those that nobody can serve with."""

from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from entrepot.platform.serving.secure import refusal
from entrepot.platform.tls.pairs import CertificateUnusable, load
from support.certificates import EC, Authority, new_key, openssl

P384 = ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384")
RSA = ("-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.make(tmp_path_factory.mktemp("authority"))


def _traditional(key: Path) -> Path:
    other = key.with_suffix(".old")
    openssl("pkey", "-in", key, "-traditional", "-out", other)
    return other


def _with_parameters(key: Path) -> Path:
    """As `openssl ecparam -genkey` writes it: a block with the curve's name stands before the key."""
    openssl("ecparam", "-name", "prime256v1", "-genkey", "-out", key)
    return key


@pytest.mark.parametrize(
    ("kind", "form", "label"),
    [
        (RSA, _traditional, b"BEGIN RSA PRIVATE KEY"),
        (RSA, Path, b"BEGIN PRIVATE KEY"),
        (EC, _traditional, b"BEGIN EC PRIVATE KEY"),
        (EC, _with_parameters, b"BEGIN EC PARAMETERS"),
        (EC, Path, b"BEGIN PRIVATE KEY"),
        (P384, _traditional, b"BEGIN EC PRIVATE KEY"),
        (P384, Path, b"BEGIN PRIVATE KEY"),
        (("-algorithm", "ED25519"), Path, b"BEGIN PRIVATE KEY"),
    ],
)
def test_every_form_of_key_is_read_and_the_server_takes_it(
    authority: Authority, tmp_path: Path, kind: tuple[str, ...], form: Callable[[Path], Path], label: bytes
) -> None:
    key = form(new_key(tmp_path / "key.pem", *kind))
    assert label in key.read_bytes()
    certificate, _ = authority.sign("forms", key=key)
    pair = load(certificate, key)
    assert pair.chain == [x509.load_pem_x509_certificate(certificate.read_bytes())]
    assert pair.pem.count(b"-----BEGIN PRIVATE KEY-----") == 1
    assert load_pem_private_key(pair.pem, None).public_key() == load_pem_private_key(key.read_bytes(), None).public_key()
    assert refusal(pair.pem) == ""


def test_chain_and_key_may_share_a_file_with_words_between(authority: Authority, tmp_path: Path) -> None:
    below = authority.intermediate()
    certificate, key = below.sign("one")
    file = tmp_path / "all.pem"
    file.write_bytes(
        b"The key:\n" + key.read_bytes() + b"subject=CN = one\n" + certificate.read_bytes() + below.file.read_bytes()
    )
    pair = load(file)
    assert [each.subject.rfc4514_string() for each in pair.chain] == ["CN=one", "CN=Test Intermediate"]
    assert pair.names == ["localhost", "127.0.0.1"]


def _encrypted(authority: Authority, folder: Path, *, traditional: bool) -> tuple[Path, Path]:
    certificate, key = authority.sign("sealed", key=new_key(folder / "k.pem", *RSA))
    form = ("rsa", "-traditional") if traditional else ("pkey",)
    openssl(*form, "-in", key, "-aes256", "-passout", "pass:word", "-out", folder / "sealed.pem")
    return certificate, folder / "sealed.pem"


def _of(authority: Authority, folder: Path, *kind: str) -> tuple[Path, Path]:
    return authority.sign("odd", key=new_key(folder / "odd.pem", *kind))


def _files(folder: Path, certificate: bytes, key: bytes) -> tuple[Path, Path]:
    (folder / "c.pem").write_bytes(certificate)
    (folder / "k.pem").write_bytes(key)
    return folder / "c.pem", folder / "k.pem"


def _issuer_first(authority: Authority, folder: Path) -> tuple[Path, Path]:
    certificate, key = authority.sign("second")
    return _files(folder, authority.file.read_bytes() + certificate.read_bytes(), key.read_bytes())


GOOD = "good"
CASES: dict[str, tuple[Callable[[Authority, Path], tuple[Path, Path | None]], str]] = {
    "no file": (lambda _, folder: (folder / "none.pem", None), "No such file or directory. Correct --tls and --tls-key"),
    "a folder": (lambda _, folder: (folder, None), "Is a directory. Correct --tls"),
    "empty": (lambda _, folder: _files(folder, b"", b""), "holds no certificate in PEM form"),
    "garbage": (lambda _, folder: _files(folder, bytes(range(256)) * 9, b""), "holds no certificate in PEM form"),
    "endless": (lambda _, folder: _files(folder, b"x" * (300 << 10), b""), "more than 262144 bytes"),
    "cut": (
        lambda authority, folder: _files(folder, authority.file.read_bytes().replace(b"M", b"N", 1), authority.key.read_bytes()),
        "a certificate in it is damaged",
    ),
    "half written": (
        lambda authority, folder: _files(
            folder, authority.sign(GOOD)[0].read_bytes() + authority.file.read_bytes()[:-40], authority.key.read_bytes()
        ),
        "a part of it has no end: is it still being written? Copy the file anew",
    ),
    "no key": (
        lambda authority, _: (authority.sign(GOOD)[0], None),
        "holds no private key in PEM form: name the file with the key by",
    ),
    "no key apart": (lambda authority, _: (authority.sign(GOOD)[0], authority.file), "holds no private key in PEM form: name"),
    "damaged key": (
        lambda authority, folder: _files(
            folder, authority.file.read_bytes(), b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"
        ),
        "its key is damaged",
    ),
    "another key": (
        lambda authority, folder: (authority.sign(GOOD)[0], new_key(folder / "o.pem")),
        "does not belong to the certificate",
    ),
    "issuer first": (_issuer_first, "must come first, it is number 2"),
    "encrypted": (lambda authority, folder: _encrypted(authority, folder, traditional=False), "openssl pkey -in"),
    "encrypted of old": (lambda authority, folder: _encrypted(authority, folder, traditional=True), "its key is encrypted"),
    "short RSA": (
        lambda authority, folder: _of(authority, folder, "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024"),
        "keys of RSA with 1024 bits are not served with: take RSA of 2048 bits or more, EC P-256 or P-384, or Ed25519",
    ),
    "P-521": (
        lambda authority, folder: _of(authority, folder, "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-521"),
        "keys on the curve secp521r1",
    ),
    "Ed448": (lambda authority, folder: _of(authority, folder, "-algorithm", "ED448"), "keys of this kind are not served with"),
}


@pytest.mark.parametrize("case", CASES)
def test_what_nobody_can_serve_with_is_refused_with_what_to_do(authority: Authority, tmp_path: Path, case: str) -> None:
    make, told = CASES[case]
    with pytest.raises(CertificateUnusable) as refused:
        load(*make(authority, tmp_path))
    assert told in refused.value.message


@pytest.mark.parametrize(
    ("dates", "told"),
    [
        (("-startdate", "20200101000000Z", "-enddate", "20200201000000Z"), "the certificate expired on 2020-02-01T00:00:00Z"),
        (("-startdate", "20990101000000Z", "-enddate", "20990201000000Z"), "is valid only from 2099-01-01T00:00:00Z on"),
        (("-days", "3"), ""),
    ],
)
def test_a_wrong_time_is_told(authority: Authority, dates: tuple[str, ...], told: str) -> None:
    wrong = load(*authority.sign("dated", dates=dates)).wrong_time()
    assert told in wrong
    assert bool(told) is bool(wrong)


def test_names_are_compared_as_clients_do(authority: Authority) -> None:
    pair = load(*authority.sign("named", names="DNS:Hub.example,DNS:*.team.example,IP:192.0.2.7"))
    fitting = [
        name for name in ("hub.example", "a.team.example", "a.b.team.example", "team.example", "192.0.2.7") if pair.fits(name)
    ]
    assert fitting == ["hub.example", "a.team.example", "192.0.2.7"]


def test_what_the_server_cannot_use_is_said_without_ending_us(authority: Authority) -> None:
    """A certificate of version 1, as old scripts make them: openssl serves with it, rustls does not."""
    key = new_key(authority.folder / "v1.key")
    request = openssl("req", "-new", "-key", key, "-subj", "/CN=old")
    (authority.folder / "v1.csr").write_bytes(request)
    signing = ("x509", "-req", "-in", authority.folder / "v1.csr", "-CA", authority.file, "-CAkey", authority.key, "-days", "9")
    (authority.folder / "v1.crt").write_bytes(openssl(*signing))
    assert "UnsupportedCertVersion" in refusal(load(authority.folder / "v1.crt", key).pem)
