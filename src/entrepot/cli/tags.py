"""`entrepot tag`: the record of a tag's moves."""

import asyncio
import json
from datetime import UTC, datetime
from typing import Annotated

import msgspec
import typer

from entrepot.base.settings import Found
from entrepot.cli.settings import with_settings

app = typer.Typer(help="Tags.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Keep `tag` a noun with verbs."""


@app.command()
@with_settings
def history(
    image: Annotated[str, typer.Argument(help="REPOSITORY:TAG")],
    *,
    found: Found,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many moves to show, newest first.")] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show every move of a tag: when, by whom, from which digest to which."""
    from entrepot.app.parts import opened  # noqa: PLC0415 - not needed to show help
    from entrepot.domain.access.model import ANYONE  # noqa: PLC0415
    from entrepot.domain.registry.model import TagMove  # noqa: PLC0415
    from entrepot.spec.oci.names import RepositoryName, parse_tag  # noqa: PLC0415

    repository, _, tag = image.rpartition(":")
    name, tag = RepositoryName.parse(repository), parse_tag(tag)

    async def moves() -> list[TagMove]:
        async with opened(found.settings) as parts:
            return await parts.registry.tags.history(ANYONE, name, tag, limit)

    rows = asyncio.run(moves())
    if as_json:
        typer.echo(json.dumps(msgspec.to_builtins(rows)))
        return
    for row in rows:
        moved = datetime.fromtimestamp(row.moved_at / 1_000_000, UTC).isoformat(timespec="seconds")
        typer.echo(f"{moved}  {row.actor}  {row.from_digest or '(none)'} -> {row.to_digest or '(none)'}")
