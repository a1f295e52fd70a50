"""`entrepot storage`: what lies in the store."""

import asyncio
import json
from typing import Annotated

import typer

from entrepot.base.settings import Found
from entrepot.cli.settings import with_settings

app = typer.Typer(help="What lies in the store.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Keep `storage` a noun with verbs."""


@app.command()
@with_settings
def leftovers(*, found: Found, as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """List files or objects that belong to no blob and no upload: what a crash left, or what a push is just about to name."""
    from entrepot.app.parts import opened  # noqa: PLC0415 - not needed to show help

    async def listed() -> list[dict[str, object]]:
        async with opened(found.settings) as parts:
            return [
                {"key": stored.key, "size": stored.size, "modified_at_us": stored.modified_at_us}
                async for stored in parts.registry.blobs.leftovers()
            ]

    rows = asyncio.run(listed())
    if as_json:
        typer.echo(json.dumps(rows))
        return
    for row in rows:
        typer.echo(f"{row['size']:>14}  {row['key']}")
    typer.echo(f"{len(rows)} leftover files")
