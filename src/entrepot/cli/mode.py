"""`entrepot mode`: whether clients may change anything."""

import asyncio
import json
from datetime import UTC, datetime
from typing import Annotated, Final

import msgspec
import typer

from entrepot.base.settings import Found
from entrepot.cli.settings import WRONG_USE, refuse, with_settings

_READ_ONLY: Final = "read-only"
_MODES: Final = (_READ_ONLY, "normal")
_LONGEST_REASON: Final = 200  # characters: it stands in each refusal


@with_settings
def mode(
    *,
    found: Found,
    wanted: Annotated[
        str, typer.Argument(metavar="[read-only|normal]", help="The mode from now on; without it, the mode is shown.")
    ] = "",
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why it is read-only: clients are told so.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Make the registry read-only on all nodes, or normal again: pulls go on, pushes, deletions and clean-up wait."""
    from entrepot.app.modes import change, current  # noqa: PLC0415 - not needed to show help

    if wanted not in ("", *_MODES):
        refuse(f"the mode is '{wanted}': expected one of {', '.join(_MODES)}", WRONG_USE)
    if reason and wanted != _READ_ONLY:
        refuse("--reason goes with read-only: it is told to those whose pushes are refused", WRONG_USE)
    if len(reason) > _LONGEST_REASON or not reason.isprintable():
        refuse(f"--reason must be one line of at most {_LONGEST_REASON} characters", WRONG_USE)
    settings = found.settings
    now = asyncio.run(change(settings, read_only=wanted == _READ_ONLY, reason=reason) if wanted else current(settings))
    if as_json:
        typer.echo(json.dumps(msgspec.to_builtins(now)))
        return
    since = datetime.fromtimestamp(now.changed_at / 1_000_000, UTC).isoformat(timespec="seconds") if now.changed_at else ""
    said = [
        _READ_ONLY if now.read_only else "normal",
        *([f"since {since}"] if since else []),
        *([now.reason] if now.reason else []),
    ]
    typer.echo("  ".join(said))
