"""Changing the mode as another node would, without the time that a command takes to start."""

import asyncio

from entrepot.base.settings import Settings
from entrepot.domain.access.service.modes import Modes
from support.parts import opened


def change(settings: Settings, *, read_only: bool, reason: str = "") -> None:
    """Make the registry read-only, or normal again."""

    async def changing() -> None:
        async with opened(settings) as db:
            await Modes(db).change(read_only=read_only, reason=reason)

    asyncio.run(changing())
