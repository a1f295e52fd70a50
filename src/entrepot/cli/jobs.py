"""`entrepot job`: background jobs as they stand, and what a person may do about one."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Final, TypeVar

import msgspec
import typer

from entrepot.base.settings import Found
from entrepot.cli.opening import by_command
from entrepot.cli.settings import WRONG_USE, refuse, with_settings

if TYPE_CHECKING:
    from entrepot.platform.jobs import Board, JobRow

app = typer.Typer(help="Background jobs.", no_args_is_help=True)
_T = TypeVar("_T")
_Id = Annotated[int, typer.Argument(metavar="ID", help="The job's number.", min=1, max=(1 << 63) - 1)]
_AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_TIMES: Final = ("run_at", "created_at", "finished_at")


@app.callback()
def _group() -> None:
    """Keep `job` a noun with verbs."""


@app.command("list")
@with_settings
def list_(
    *,
    found: Found,
    state: Annotated[
        str | None, typer.Option(metavar="STATE", help="Only those that are ready, running, done, failed or cancelled.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many to show, newest first.")] = 50,
    as_json: _AsJson = False,
) -> None:
    """List jobs, newest first; those that keep failing wait under `--state failed`."""
    from entrepot.platform.jobs.model import STATES  # noqa: PLC0415 - not needed to show help

    known = next((each for each in STATES if each == state), None)
    if state is not None and known is None:
        refuse(f"--state is '{state}': expected one of {', '.join(STATES)}", WRONG_USE)
    rows = _on(found, lambda board: board.jobs(known, limit=limit))
    if as_json:
        typer.echo(msgspec.json.encode(rows).decode())
        return
    for row in rows:
        tried = f"{row.attempt}/{row.max_attempts}"
        typer.echo(
            f"{row.id:>10}  {row.state:<9}  {_time(row.created_at)}  {tried:>5}  {row.kind}  {_first_line(row.error)}".rstrip()
        )


@app.command()
@with_settings
def show(id_: _Id, *, found: Found, as_json: _AsJson = False) -> None:
    """Show all about a job."""
    _show(_on(found, lambda board: board.job(id_)), as_json=as_json)


@app.command()
@with_settings
def cancel(id_: _Id, *, found: Found, as_json: _AsJson = False) -> None:
    """Cancel a job: one that waits at once, one that runs within a few seconds."""
    _show(_on(found, lambda board: board.cancel(id_)), as_json=as_json)


@app.command()
@with_settings
def retry(id_: _Id, *, found: Found, as_json: _AsJson = False) -> None:
    """Let a job that failed or was cancelled be tried again."""
    _show(_on(found, lambda board: board.retry(id_)), as_json=as_json)


@app.command()
@with_settings
def drop(id_: _Id, *, found: Found) -> None:
    """Forget a job that has ended."""
    _on(found, lambda board: board.drop(id_))
    typer.echo(f"job {id_} is dropped")


def _on(found: Found, verb: "Callable[[Board], Awaitable[_T]]") -> _T:
    """Do one thing with the board of the jobs."""
    from entrepot.app.board import board  # noqa: PLC0415
    from entrepot.app.parts import opened_database  # noqa: PLC0415 - not needed to show help

    async def done() -> _T:
        async with opened_database(found.settings) as db:
            return await verb(board(db, by_command()))

    return asyncio.run(done())


def _show(row: "JobRow", *, as_json: bool) -> None:
    if as_json:
        typer.echo(msgspec.json.encode(row).decode())
        return
    for name, value in json.loads(msgspec.json.encode(row)).items():
        shown = _time(value) if name in _TIMES else json.dumps(value) if isinstance(value, dict) else value
        if value not in (None, "", False):
            typer.echo(f"{name:<12}  {shown}")


def _time(moment: int | None) -> str:
    return "" if moment is None else datetime.fromtimestamp(moment / 1_000_000, UTC).isoformat(timespec="seconds")


def _first_line(text: str) -> str:
    return text.splitlines()[0][:120] if text else ""
