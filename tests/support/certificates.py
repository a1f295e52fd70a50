"""Certificates made by openssl as administrators make them: an authority, its certificates, and keys of every form."""

import socket
import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_NAMES: Final = "DNS:localhost,IP:127.0.0.1"
EC: Final = ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")


def openssl(*arguments: str | Path, sent: bytes = b"") -> bytes:
    """Run openssl and return what it prints."""
    return subprocess.run(["openssl", *map(str, arguments)], input=sent, capture_output=True, check=True, timeout=60).stdout


def new_key(file: Path, *kind: str) -> Path:
    """Make a key as PKCS#8; `kind` is what genpkey takes, EC P-256 if nothing is said."""
    openssl("genpkey", *(kind or EC), "-out", file)
    return file


@dataclass(frozen=True)
class Authority:
    """An authority with a folder of its own; `key` and `file` are its key and certificate."""

    folder: Path
    file: Path
    key: Path
    above: Path | None = None

    @classmethod
    def make(cls, folder: Path, name: str = "Test Root") -> "Authority":
        """Make a root."""
        folder.mkdir(parents=True, exist_ok=True)
        file, key = folder / f"{name}.crt", new_key(folder / f"{name}.key")
        openssl("req", "-x509", "-key", key, "-subj", f"/CN={name}", "-days", "60", "-out", file)
        return cls(folder, file, key)

    def intermediate(self, name: str = "Test Intermediate", *, dates: tuple[str, ...] = ()) -> "Authority":
        """Make an authority that this one signs for."""
        file, key = self.folder / f"{name}.crt", new_key(self.folder / f"{name}.key")
        self._sign(file, key, name, "basicConstraints=critical,CA:TRUE,pathlen:0\nkeyUsage=critical,keyCertSign", dates)
        return Authority(self.folder, file, key, self.file)

    def sign(
        self, name: str, *, key: Path | None = None, names: str = _NAMES, dates: tuple[str, ...] = ("-days", "30")
    ) -> tuple[Path, Path]:
        """Make a certificate for a server; return its file and its key's. `dates` is what openssl ca takes."""
        file, key = self.folder / f"{name}.crt", key or new_key(self.folder / f"{name}.key")
        self._sign(file, key, name, f"basicConstraints=CA:FALSE\nsubjectAltName={names}", dates)
        return file, key

    def _sign(self, file: Path, key: Path, name: str, extensions: str, dates: tuple[str, ...]) -> None:
        request, config = self.folder / "request.pem", self.folder / "ca.cnf"
        openssl("req", "-new", "-key", key, "-subj", f"/CN={name}", "-out", request)
        (self.folder / "index.txt").write_text("", "ascii")
        config.write_text(
            "[ca]\ndefault_ca=d\n[d]\n"
            f"database={self.folder}/index.txt\nnew_certs_dir={self.folder}\nrand_serial=yes\ndefault_md=sha256\n"
            f"policy=p\nunique_subject=no\ndefault_days=30\n[p]\ncommonName=supplied\n[e]\n{extensions}\n",
            "utf-8",
        )
        signing = ("ca", "-batch", "-notext", "-config", config, "-extensions", "e", "-cert", self.file, "-keyfile", self.key)
        openssl(*signing, "-in", request, "-out", file, *dates)


def served_serial(port: int, *, trusts: Path | None = None) -> int:
    """Return the serial number of the certificate that a new connection is shown."""
    context = ssl.create_default_context(cafile=trusts)
    if trusts is None:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    plain = socket.create_connection(("127.0.0.1", port), 10)
    with context.wrap_socket(plain, server_hostname="localhost") as secure:
        return serial_of(ssl.DER_cert_to_PEM_cert(secure.getpeercert(binary_form=True) or b"").encode())


def serial_of(pem: bytes) -> int:
    """Return the serial number of the first certificate in PEM."""
    return int(openssl("x509", "-noout", "-serial", sent=pem).decode().strip().partition("=")[2], 16)
