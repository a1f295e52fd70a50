"""`entrepot fsck`: whether everything that was stored is still there and is what it says it is."""

import asyncio
import json
import os
from typing import Annotated, Final

import msgspec
import typer

from entrepot.base.settings import Found
from entrepot.cli.settings import with_settings

_FOUND: Final = 1
_NICENESS: Final = 10


@with_settings
def fsck(
    *,
    found: Found,
    repair: Annotated[bool, typer.Option("--repair", help="Set damaged blobs aside, so that the next push heals them.")] = False,
    rate: Annotated[int, typer.Option(min=0, help="Read at most so many megabytes a second; 0 reads as fast as it can.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Compare every blob and manifest with its digest and look for all that manifests name, also while the registry serves."""
    os.nice(_NICENESS)  # whoever pulls comes first
    from entrepot.app.parts import opened  # noqa: PLC0415 - not needed to show help
    from entrepot.domain.registry.model import Fault  # noqa: PLC0415
    from entrepot.domain.registry.service.checking import CHILD  # noqa: PLC0415
    from entrepot.domain.registry.service.pace import Pace  # noqa: PLC0415

    faults: list[Fault] = []

    def tell(fault: Fault) -> None:
        faults.append(fault)
        if not as_json:
            aside = f" (set aside as {fault.set_aside})" if fault.set_aside else ""
            typer.echo(f"{fault.kind:<10}  {fault.what}: {fault.says}{aside}")

    async def check() -> tuple[int, int]:
        async with opened(found.settings) as parts:
            return await parts.registry.checker.everything(Pace(rate * 1_000_000), tell, repair=repair)

    count, size = asyncio.run(check())
    wrong = [fault for fault in faults if fault.kind != CHILD]
    if as_json:
        typer.echo(json.dumps({"blobs": count, "bytes": size, "faults": msgspec.to_builtins(faults)}))
    else:
        typer.echo(f"{count} blobs of {size} bytes checked; {len(wrong) or 'no'} faults")
    if wrong:
        raise typer.Exit(_FOUND)
