"""The certificate that the settings name: where it is read from, and who keeps it while we serve."""

import socket
from functools import partial
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import msgspec
from cryptography.hazmat.primitives.hashes import SHA256

from entrepot.base.errors import EntrepotError
from entrepot.base.findings import Finding
from entrepot.base.settings import Settings
from entrepot.platform.serving.secure import refusal
from entrepot.platform.tls.authority import AUTHORITY, FOLDER, ensure, keys, made, our_names
from entrepot.platform.tls.checkup import check_certificate
from entrepot.platform.tls.keeper import Keeper
from entrepot.platform.tls.pairs import Pair, load, shown
from entrepot.platform.tls.trust import Step, steps

SELF_SIGNED: Final = "self-signed"


class KeyWithoutCertificate(EntrepotError):
    """A key is named where none is used."""

    summary = "--tls-key names a key, but --tls {tls}: name the certificate's file with --tls, or leave --tls-key out"


class NoCertificate(EntrepotError):
    """There is nothing to tell."""

    summary = "there is no certificate: {reason}"


class Told(msgspec.Struct, frozen=True):
    """A certificate as people ask for it; of our own authority also how clients are told to trust it."""

    names: list[str]
    valid_until: str
    serial: str
    authority: str = ""  # its file
    authority_valid_until: str = ""
    authority_sha256: str = ""
    trust: list[Step] = []

    @property
    def text(self) -> str:
        """All of it for people."""
        lines = [f"The certificate {self.serial} is for {', '.join(self.names)}, valid until {self.valid_until}."]
        if self.authority:
            lines += [
                f"Clients must be told once to trust the authority that signed it, {self.authority}",
                f"(valid until {self.authority_valid_until}, SHA-256 {self.authority_sha256}).",
                "On another machine, copy that file there first. Then, for",
            ]
        for step in self.trust:
            lines += ["", f"  {step.client}:", *(f"    {command}" for command in step.commands)]
            lines += [f"    # {step.note}"] if step.note else []
        return "\n".join(lines)


def keeper(settings: Settings) -> Keeper | None:
    """Return what keeps the certificate, None when HTTP is served in the clear.

    Raises:
        KeyWithoutCertificate, CertificateUnusable
    """
    if settings.tls_key and settings.tls in ("", SELF_SIGNED):
        raise KeyWithoutCertificate(tls="makes its own" if settings.tls else "is not set")
    if not settings.tls:
        return None
    source = str(folder(settings)) if settings.tls == SELF_SIGNED else settings.tls
    return Keeper(partial(read, settings), refusal, source=source)


def read(settings: Settings) -> Pair:
    """Return what `--tls` names now; a self-signed certificate is made when it is missing or no longer right.

    Raises:
        CertificateUnusable
    """
    if settings.tls == SELF_SIGNED:
        return ensure(folder(settings), our_names(settings.host_and_port[0], settings.public_url))
    return load(Path(settings.tls), Path(settings.tls_key) if settings.tls_key else None)


def folder(settings: Settings) -> Path:
    """Return the folder of our own authority."""
    return Path(settings.data).resolve() / FOLDER


def told(settings: Settings) -> Told:
    """Return what there is to know about the certificate; nothing is made.

    Raises:
        NoCertificate, CertificateUnusable
    """
    if not settings.tls:
        raise NoCertificate(reason="--tls is not set, so that HTTP is served in the clear")
    if settings.tls != SELF_SIGNED:
        pair = read(settings)
        return Told(pair.names, shown(pair.ends_at), f"{pair.chain[0].serial_number:x}")
    file = folder(settings) / AUTHORITY
    if not file.exists():
        raise NoCertificate(reason="`entrepot serve --tls self-signed` makes it at its first start in this data folder")
    pair, signer = made(folder(settings))
    return Told(
        pair.names,
        shown(pair.ends_at),
        f"{pair.chain[0].serial_number:x}",
        str(file),
        shown(signer.not_valid_after_utc),
        signer.fingerprint(SHA256()).hex(),
        steps(file, address(settings)),
    )


def address(settings: Settings) -> str:
    """Return HOST:PORT as clients of this registry write it before an image's name."""
    if settings.public_url:
        return urlsplit(settings.public_url).netloc
    host, port = settings.host_and_port
    if host in ("0.0.0.0", "::"):  # noqa: S104 - recognised, not listened on
        return f"{socket.gethostname().lower()}:{port}"
    return f"localhost:{port}" if host in ("127.0.0.1", "::1") else settings.listen


def check(settings: Settings) -> list[Finding]:
    """Look at the certificate for the doctor."""
    if not settings.tls:
        return []
    public = urlsplit(settings.public_url)
    host = public.hostname or "" if public.scheme == "https" else ""
    if settings.tls == SELF_SIGNED:
        own = folder(settings)
        return check_certificate(lambda: made(own)[0], keys(own), host, own=own)
    return check_certificate(partial(read, settings), [Path(settings.tls_key or settings.tls)], host, own=None)


def authority(settings: Settings) -> Path | None:
    """Return the certificate of our own authority, which clients are told to trust; None when another one signed."""
    return folder(settings) / AUTHORITY if settings.tls == SELF_SIGNED else None
