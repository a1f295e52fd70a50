"""`entrepot mode`: whether clients may change anything, and making it so for every node."""

import asyncio
from typing import Final

from entrepot.app.commands import command_line
from entrepot.app.parts import opened_database
from entrepot.base.errors import EntrepotError
from entrepot.base.settings import Settings
from entrepot.domain.access.model import Mode
from entrepot.domain.access.service.modes import Modes
from entrepot.platform.jobs import Board

PATIENCE_S: Final = 30.0  # with jobs: their processes look every second, and the end of one takes five
_ASK_EVERY_S: Final = 0.1


class JobsStillRun(EntrepotError):
    """Jobs that were told to pause have not ended."""

    summary = (
        "the registry is read-only now, and clients change nothing any more, but {count} background jobs still run after "
        "{waited_s} seconds: look at them with `entrepot job list --state running`, and run this command again"
    )


async def current(settings: Settings) -> Mode:
    """Return the mode in force."""
    async with opened_database(settings) as db:
        return await Modes(db).current()


async def change(settings: Settings, *, read_only: bool, reason: str, patience_s: float = PATIENCE_S) -> Mode:
    """Change the mode; when it is read-only, nothing is changed any more by clients or jobs of any node when this returns.

    Raises:
        JobsStillRun, and what `opened_database` does
    """
    async with opened_database(settings) as db:
        mode = await Modes(db).change(read_only=read_only, reason=reason, by=command_line())
        if read_only:
            await _until_jobs_rest(Board(db), patience_s)
        return mode


async def _until_jobs_rest(board: Board, patience_s: float) -> None:
    left = round(patience_s / _ASK_EVERY_S)
    while running := await board.count_running():
        if not left:
            raise JobsStillRun(count=running, waited_s=patience_s)
        left -= 1
        await asyncio.sleep(_ASK_EVERY_S)
