"""What commands open: the parts of the registry, or what knows of users and organisations alone."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

from entrepot.base.settings import Settings

if TYPE_CHECKING:
    from entrepot.app.parts import Accounts, Parts
    from entrepot.domain.access.model import Actor
    from entrepot.domain.audit.model import Author
    from entrepot.domain.registry.service import Registry

_T = TypeVar("_T")


def by_command() -> "Author":
    """Return under which name the audit log has what a command does."""
    from entrepot.app.commands import command_line  # noqa: PLC0415 - not needed to show help

    return command_line()


def actor() -> "Actor":
    """Return who acts by a command."""
    from entrepot.domain.access.model import Actor  # noqa: PLC0415 - not needed to show help

    by = by_command()
    return Actor(by.name, origin=by.origin)


def with_accounts(settings: Settings, ask: "Callable[[Accounts], Awaitable[_T]]") -> _T:
    """Ask what knows of users, organisations and tokens."""
    from entrepot.app.accounts import accounts  # noqa: PLC0415 - not needed to show help

    async def asked() -> _T:
        async with accounts(settings) as opened:
            return await ask(opened)

    return asyncio.run(asked())


def with_parts(settings: Settings, ask: "Callable[[Parts], Awaitable[_T]]") -> _T:
    """Ask all parts of the registry; whoever can read its data folder may do everything there."""
    from entrepot.app.parts import opened  # noqa: PLC0415 - not needed to show help

    async def asked() -> _T:
        async with opened(settings) as parts:
            return await ask(parts)

    return asyncio.run(asked())


def with_registry(settings: Settings, ask: "Callable[[Registry], Awaitable[_T]]") -> _T:
    """Ask the registry."""
    return with_parts(settings, lambda parts: ask(parts.registry))
