"""`entrepot audit`: who did what that matters for security, and whether the record of it holds."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, TypeVar

import msgspec
import typer

from entrepot.base.errors import Unavailable
from entrepot.base.settings import Found, Settings
from entrepot.cli.printing import AsJson, instant, show
from entrepot.cli.settings import REFUSED, WRONG_USE, refuse, with_settings

if TYPE_CHECKING:
    from entrepot.app.audit import Audit
    from entrepot.domain.audit.model import Event, Wanted

app = typer.Typer(help="The audit log.", no_args_is_help=True)
_T = TypeVar("_T")
_Actor = Annotated[str, typer.Option(metavar="NAME", help="Only what this actor did: a user, a robot, 'command line'.")]
_Act = Annotated[str, typer.Option(metavar="ACT", help="Only acts of this kind, such as token.revoke.")]
_Namespace = Annotated[str, typer.Option(metavar="NAME", help="Only what was done in this namespace.")]
_Since = Annotated[str, typer.Option(metavar="TIME", help="Only from then on: 2026-11-29, or 2026-11-29T14:00, in UTC.")]
_Until = Annotated[str, typer.Option(metavar="TIME", help="Only before then.")]


@app.command("list")
@with_settings
def list_(
    *,
    found: Found,
    actor: _Actor = "",
    act: _Act = "",
    namespace: _Namespace = "",
    since: _Since = "",
    until: _Until = "",
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many to show, newest first.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List acts, newest first."""
    from entrepot.domain.audit.service.reading import as_json as told  # noqa: PLC0415 - not needed to show help

    wanted = _wanted(actor, act, namespace, since, until)
    events = _with_audit(found.settings, lambda audit: audit.reading.newest(wanted, limit))
    show([told(event) for event in events], [_row(event) for event in events], as_json=as_json)


@app.command()
@with_settings
def export(
    *,
    found: Found,
    actor: _Actor = "",
    act: _Act = "",
    namespace: _Namespace = "",
    since: _Since = "",
    until: _Until = "",
    after: Annotated[int, typer.Option(min=0, metavar="POSITION", help="Only rows behind this one of the chain.")] = 0,
) -> None:
    """Print acts in the order of the chain, a line of JSON for each."""
    from entrepot.domain.audit.service.reading import as_json as told  # noqa: PLC0415 - not needed to show help

    wanted = _wanted(actor, act, namespace, since, until)

    async def write(audit: "Audit") -> None:
        with suppress(Unavailable):  # also of a database that takes no writes a copy can be made
            await audit.sequencer.catch_up()  # where no job process runs, acts of commands wait
        async for event in audit.reading.export(wanted, after):
            typer.echo(msgspec.json.encode(told(event)).decode())

    _with_audit(found.settings, write)


@app.command()
@with_settings
def verify(*, found: Found, as_json: AsJson = False) -> None:
    """Check the whole chain and its anchors; ends with 1 and names the first bad row when something was changed."""
    from entrepot.domain.audit.service.checking import told  # noqa: PLC0415 - not needed to show help

    verdict = _with_audit(found.settings, lambda audit: audit.checker.check())
    rows = [[f"rows {verdict.first} to {verdict.last} are as they were written" if verdict.last else "there is no row yet"]]
    if verdict.bad is not None:
        rows = [[f"row {verdict.bad}: {verdict.says}"]]
    rows.append([f"the last good row with an anchor is {verdict.anchored}" if verdict.anchored else "no good row has an anchor"])
    if verdict.waiting:
        rows.append([f"{verdict.waiting} acts wait for their place in the chain"])
    show(told(verdict), rows, as_json=as_json)
    if verdict.bad is not None:
        raise typer.Exit(REFUSED)


@app.command()
@with_settings
def prune(
    *,
    found: Found,
    keep: Annotated[
        int | None, typer.Option(min=1, max=1200, metavar="MONTHS", help="Instead of the setting --audit-keep.")
    ] = None,
) -> None:
    """Delete the rows of months that are over longer than --audit-keep says; a job does so each day."""
    from entrepot.app.commands import command_line  # noqa: PLC0415 - not needed to show help

    months = found.settings.audit_keep if keep is None else keep
    if not months:
        refuse("the setting --audit-keep is 0, so that all rows are kept: say how many months with --keep", WRONG_USE)
    pruned = _with_audit(found.settings, lambda audit: audit.upkeep.prune(months, command_line()))
    typer.echo(f"{pruned} rows were pruned")


def _with_audit(settings: Settings, ask: "Callable[[Audit], Awaitable[_T]]") -> _T:
    """Ask the log something."""
    from entrepot.app.audit import opened_audit  # noqa: PLC0415 - not needed to show help

    async def asked() -> _T:
        async with opened_audit(settings) as audit:
            return await ask(audit)

    return asyncio.run(asked())


def _wanted(actor: str, act: str, namespace: str, since: str, until: str) -> "Wanted":
    from entrepot.domain.audit.model import Wanted  # noqa: PLC0415 - not needed to show help

    wanted = Wanted(actor, act, namespace)
    if since:
        wanted = msgspec.structs.replace(wanted, since=_time("since", since))
    if until:
        wanted = msgspec.structs.replace(wanted, until=_time("until", until))
    return wanted


def _time(name: str, text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        refuse(f"--{name} is '{text}': expected a day as 2026-11-29, or a time as 2026-11-29T14:00", WRONG_USE)
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1_000_000)


def _row(event: "Event") -> list[object]:
    done = event.act if event.outcome == "done" else f"{event.act} ({event.outcome})"
    source = event.shown_address or event.os_user
    details = " ".join(f"{name}={value}" for name, value in msgspec.json.decode(event.details).items())
    return [instant(event.happened_at), event.position or "-", event.actor, source or "-", done, event.target or "-", details]
