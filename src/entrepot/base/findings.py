"""What a check of `entrepot doctor` found, and what to do about it."""

from typing import Literal

import msgspec


class Finding(msgspec.Struct, frozen=True):
    """One line of the doctor's: `advice` says what to do when all is not well."""

    check: str
    verdict: Literal["ok", "warning", "error"]
    told: str
    advice: str = ""


def ok(check: str, told: str) -> Finding:
    """Say that all is well."""
    return Finding(check, "ok", told)


def warning(check: str, told: str, advice: str) -> Finding:
    """Say that it works and may not always."""
    return Finding(check, "warning", told, advice)


def error(check: str, told: str, advice: str) -> Finding:
    """Say that it does not work, or will lose something."""
    return Finding(check, "error", told, advice)
