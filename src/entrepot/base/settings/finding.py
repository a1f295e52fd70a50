"""How a setting's value is found: by the command line, else `ENTREPOT_NAME`, else the TOML file of `--config`, else the default.

An unknown or ill-typed one stops the start.
"""

import difflib
import ipaddress
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import msgspec

from entrepot.base.bucket import parse_bucket
from entrepot.base.colours import AccentUnreadable, accent
from entrepot.base.databases import PoolerUnknown, parse_database
from entrepot.base.errors import EntrepotError
from entrepot.base.mailing import SmtpUnreadable, parse_address, parse_smtp
from entrepot.base.settings.fields import FIELDS, Settings, expected, option

ENVIRONMENT_PREFIX: Final = "ENTREPOT_"
# Kubernetes sets ENTREPOT_PORT, ENTREPOT_PORT_5000_TCP_ADDR and ENTREPOT_SERVICE_HOST for a service of our name.
_NOT_OURS: Final = ("ENTREPOT_PORT", "ENTREPOT_SERVICE_")
# Named in the environment, but decided before settings are read.
_BEFORE_SETTINGS: Final = frozenset({"config"})
SECRETS: Final = frozenset({"admin_password", "database", "redis", "smtp"})
_ADDRESSES: Final = frozenset({"listen", "public_url", "database", "redis"})
_DATABASES: Final = frozenset({"database"})
_NETWORKS: Final = frozenset({"metrics_allow", "trusted_proxies"})
_BUCKETS: Final = frozenset({"storage"})
_SMTP: Final = "smtp"
_MAIL_FROM: Final = "mail_from"
_ACCENT: Final = "accent"
_NAME: Final = "hub_name"
# Errors that say more than what is expected, and repeat no secret.
_TELLING: Final = (PoolerUnknown, SmtpUnreadable, AccentUnreadable)
_MAX_PORT: Final = 65_535


class SettingRefused(EntrepotError):
    """A setting has a value of the wrong kind."""

    summary = "{origin} is '{value}': expected {expected}"


class SettingUnknown(EntrepotError):
    """A name that is not a setting."""

    summary = "{origin} is not a setting{nearest}"


class SettingsFileUnreadable(EntrepotError):
    """The TOML file cannot be read or is not TOML."""

    summary = "the settings file {path} cannot be read: {reason}"


class Found(msgspec.Struct, frozen=True):
    """The settings in force, and for each name where its value came from."""

    settings: Settings
    origins: Mapping[str, str]


def find(options: Mapping[str, str | None], environment: Mapping[str, str], file: Path | None) -> Found:
    """Put the settings together; `options` are those of the command line, by field name.

    Raises:
        SettingRefused, SettingUnknown, SettingsFileUnreadable
    """
    layers = [
        _from_file(file),
        _from_environment(environment),
        {name: (f"--{option(name)}", text) for name, text in options.items()},
    ]
    values: dict[str, Any] = {}
    origins = dict.fromkeys(FIELDS, "default")
    for layer in layers:
        for name, (origin, raw) in layer.items():
            if raw is None:
                continue
            if name not in FIELDS:
                raise SettingUnknown(origin=origin, nearest=_nearest(name, origin))
            values[name] = _value(name, raw, origin)
            origins[name] = origin
    if values.get(_SMTP) and not values.get(_MAIL_FROM):
        raise SettingRefused(origin=option(_MAIL_FROM), value="", expected=f"{expected(_MAIL_FROM)}, as {origins[_SMTP]} is set")
    return Found(Settings(**values), origins)


def _value(name: str, raw: Any, origin: str) -> Any:
    try:
        value = msgspec.convert(raw, type=FIELDS[name].type, strict=False)
        if name in _ADDRESSES:
            _check_address(value)
        if name in _DATABASES:
            parse_database(value)
        if name in _NETWORKS:
            _check_networks(value)
        if name in _BUCKETS and value:
            parse_bucket(value)
        if name == _SMTP and value:
            parse_smtp(value)
        if name == _MAIL_FROM and value:
            parse_address(value)
        if name == _ACCENT and value:
            accent(value)
        if name == _NAME:
            _check_name(value)
    except ValueError as error:  # msgspec's is one as well
        # Whoever writes credentials into a bucket's address is told that they do not stand there, and no log repeats them.
        is_secret = name in SECRETS or (name in _BUCKETS and "@" in unquote(str(raw)))
        shown = "***" if is_secret else raw
        reason = f", but {error}" if name in _BUCKETS or isinstance(error, _TELLING) else ""
        raise SettingRefused(origin=origin, value=shown, expected=f"{expected(name)}{reason}") from None
    return value


def _check_address(text: str) -> None:
    """Raise ValueError when a host or port cannot be one; a database's address may name several."""
    hosts = urlsplit(text if "//" in text else f"//{text}").netloc.rpartition("@")[2]
    for host in hosts.split(","):
        _, colon, port = host.rpartition(":")
        if colon and port.isdecimal() and not 0 < int(port) <= _MAX_PORT:
            raise ValueError(port)


def _check_name(text: str) -> None:
    """Raise ValueError when a name is more than one line."""
    if not text.isprintable() or text.strip() != text:
        raise ValueError(text)


def _check_networks(text: str) -> None:
    """Raise ValueError when one of them is no network: an address with bits beside its mask is a mistake."""
    for network in text.split(",") if text else []:
        ipaddress.ip_network(network.strip())


def _nearest(name: str, origin: str) -> str:
    close = difflib.get_close_matches(name, FIELDS, n=1, cutoff=0.4)
    if not close:
        return "; `entrepot serve --help` lists them all"
    if origin.startswith(ENVIRONMENT_PREFIX):
        return f"; the nearest one is {ENVIRONMENT_PREFIX}{close[0].upper()}"
    return f"; the nearest one is {option(close[0])}"


def _from_environment(environment: Mapping[str, str]) -> dict[str, tuple[str, Any]]:
    found: dict[str, tuple[str, Any]] = {}
    for variable, text in sorted(environment.items()):
        if not variable.startswith(ENVIRONMENT_PREFIX) or variable.startswith(_NOT_OURS):
            continue
        name = variable.removeprefix(ENVIRONMENT_PREFIX).lower()
        if name in _BEFORE_SETTINGS:
            continue
        secret = name.removesuffix("_file")
        if name.endswith("_file") and secret in SECRETS:
            found[secret] = (variable, _read(Path(text)).strip())
        else:
            found[name] = (variable, text)
    return found


def _from_file(file: Path | None) -> dict[str, tuple[str, Any]]:
    if file is None:
        return {}
    try:
        table = tomllib.loads(_read(file))
    except tomllib.TOMLDecodeError as error:
        raise SettingsFileUnreadable(path=file, reason=error) from None
    return {key.replace("-", "_"): (f"{key} in {file}", value) for key, value in table.items()}


def _read(file: Path) -> str:
    try:
        return file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsFileUnreadable(path=file, reason=error) from None


def workers(settings: Settings) -> int:
    """Return how many web processes to run."""
    return settings.workers or len(os.sched_getaffinity(0))


def shown(found: Found, name: str) -> str:
    """Return a setting's value as people may see it: a secret as ***."""
    value = getattr(found.settings, name)
    if name in SECRETS and value:
        return "***"
    return str(value).lower() if isinstance(value, bool) else str(value)
