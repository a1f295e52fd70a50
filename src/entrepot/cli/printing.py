"""How commands print rows: columns for people, JSON on request."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated

import msgspec
import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def instant(microseconds: int | None) -> str:
    """Return a time as people read it, '-' for none."""
    return "-" if microseconds is None else datetime.fromtimestamp(microseconds / 1_000_000, UTC).isoformat(timespec="seconds")


def show(values: object, rows: Sequence[Sequence[object]], *, as_json: bool) -> None:
    """Print values as JSON, or their rows in columns."""
    if as_json:
        typer.echo(json.dumps(msgspec.to_builtins(values)))
        return
    texts = [[str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    for row in texts:
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
