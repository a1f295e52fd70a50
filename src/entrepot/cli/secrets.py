"""`entrepot secrets`: the master key that seals stored secrets."""

import asyncio
import json
from typing import Annotated

import msgspec
import typer

from entrepot.base.settings import Found
from entrepot.cli.settings import REFUSED, WRONG_USE, refuse, with_settings

app = typer.Typer(help="The master key that seals stored secrets.", no_args_is_help=True)
_AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.callback()
def _group() -> None:
    """Keep `secrets` a noun with verbs."""


@app.command()
@with_settings
def check(*, found: Found, as_json: _AsJson = False) -> None:
    """List the keys, the one that seals first, and how many secrets each sealed; end with 1 when a key is lacking."""
    from entrepot.app.secrets import in_use  # noqa: PLC0415 - not needed to show help

    rows = asyncio.run(in_use(found.settings))
    if as_json:
        typer.echo(json.dumps(msgspec.to_builtins(rows)))
    else:
        for row in rows:
            typer.echo(f"{row.key}  {row.secrets:>8} secrets{'' if row.known else '  the secret key file lacks this key'}")
    raise typer.Exit(0 if all(row.known for row in rows) else REFUSED)


@app.command()
@with_settings
def rotate(
    *,
    found: Found,
    stage: Annotated[
        bool, typer.Option("--stage", help="Only add a key, to be copied to other machines before it is used.")
    ] = False,
    use: Annotated[str, typer.Option("--use", metavar="KEY", help="Seal with this key of the file instead of a new one.")] = "",
    finish: Annotated[bool, typer.Option("--finish", help="Take out the keys that no secret needs any more.")] = False,
    as_json: _AsJson = False,
) -> None:
    """Seal all secrets with a new key, while the registry serves; the key of before stays in the file until --finish."""
    from entrepot.app.secrets import rotate as rotated  # noqa: PLC0415 - not needed to show help

    if stage + finish + bool(use) > 1:
        refuse("--stage, --use and --finish are steps of their own: give one of them", WRONG_USE)
    done = asyncio.run(rotated(found.settings, "stage" if stage else "finish" if finish else "all", use))
    if as_json:
        typer.echo(json.dumps(msgspec.to_builtins(done)))
    else:
        typer.echo(f"{done.sealed_anew} secrets sealed anew; key {done.seals} seals")
        for told, ids in (("still opens", done.opens), ("taken out", done.removed)):
            if ids:
                typer.echo(f"{told}: {', '.join(ids)}")
        if found.settings.database and not (stage or finish or use):
            typer.echo(
                "if other machines serve this registry, copy the secret key file to them now: they cannot read what it sealed"
            )
        if done.staged:
            typer.echo(f"copy the file to all machines, then: entrepot secrets rotate --use {done.staged}")
        for message in done.unreadable:
            typer.echo(f"entrepot: {message}", err=True)
    raise typer.Exit(REFUSED if done.unreadable else 0)
