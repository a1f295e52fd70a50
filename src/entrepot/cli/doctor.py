"""`entrepot doctor`: is all well with what the service stands on?"""

import asyncio
import json
from typing import Annotated

import msgspec
import typer

from entrepot.base.findings import Finding
from entrepot.base.settings import Found
from entrepot.cli.settings import REFUSED, with_settings


@with_settings
def doctor(*, found: Found, as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Check disk, database and, with --public-url, the proxy in front; end with 1 when something is wrong."""
    from entrepot.app.checkup import checkup  # noqa: PLC0415 - not needed to show help

    async def findings() -> list[Finding]:
        every = []
        async for finding in checkup(found.settings):
            every.append(finding)
            if not as_json:
                _show(finding)
        return every

    every = asyncio.run(findings())
    if as_json:
        typer.echo(json.dumps(msgspec.to_builtins(every)))
    raise typer.Exit(REFUSED if any(finding.verdict == "error" for finding in every) else 0)


def _show(finding: Finding) -> None:
    typer.echo(f"{finding.verdict:<8} {finding.check:<12} {finding.told}")
    if finding.advice:
        typer.echo(f"{'':<21} to do: {finding.advice}")
