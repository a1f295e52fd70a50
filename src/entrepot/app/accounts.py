"""The first administrator, and what the commands about users, organisations and tokens open."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import msgspec

from entrepot.app.commands import command_line
from entrepot.app.parts import Accounts, opened_database
from entrepot.base.settings import Settings
from entrepot.domain.accounts.errors import NameTaken
from entrepot.domain.accounts.model import ADMINISTRATOR
from entrepot.domain.audit.model import HUB, Author
from entrepot.platform.secrets.keys import write_durably

PASSWORD_FILE: Final = "admin-password"  # noqa: S105 - a file name
_LETTERS: Final = "abcdefghijkmnpqrstuvwxyz23456789"  # none that looks like another
_GROUPS: Final = 5
_GROUP: Final = 5


class FirstAdministrator(msgspec.Struct, frozen=True):
    """Who was made: `file` has the password when it was not given; `namespaces` are how many they own from now on."""

    name: str
    password: str
    file: str
    namespaces: int


def ensure_administrator(settings: Settings) -> FirstAdministrator | None:
    """Make the first administrator when there is no user; None when there is one.

    What was pushed while access was open becomes theirs.

    Raises:
        PlanUnknown: there is no plan of the name that `--default-plan` has.
        PasswordTooShort, PasswordKnown, and what `opened_database` does
    """
    return asyncio.run(_ensure(settings, Path(settings.data).resolve() / PASSWORD_FILE))


async def _ensure(settings: Settings, file: Path) -> FirstAdministrator | None:
    async with accounts(settings, HUB) as who:
        await who.plans.find(settings.default_plan)  # or nobody would be held to any
        if not await who.users.is_empty():
            return None
        password = settings.admin_password or _new_password()
        if not settings.admin_password:
            await asyncio.to_thread(_write, file, password)
        try:
            await who.users.add(ADMINISTRATOR, password, is_admin=True)
        except NameTaken:
            if await who.users.is_empty():
                raise
            if not settings.admin_password:
                await asyncio.to_thread(file.unlink, missing_ok=True)
            return None  # another node, which starts in the same moment, has made them
        namespaces = await who.organisations.adopt(ADMINISTRATOR)
        return FirstAdministrator(ADMINISTRATOR, password, "" if settings.admin_password else str(file), namespaces)


@asynccontextmanager
async def accounts(settings: Settings, by: Author | None = None) -> AsyncIterator[Accounts]:
    """Open what knows of users, organisations and tokens, for a command, or for whom else it is done.

    Whoever can read the data folder may do everything.
    """
    async with opened_database(settings) as db:
        found = Accounts(db, msgspec.structs.replace(settings, access="open"), by or command_line())
        try:
            yield found
        finally:
            found.close()


def _write(file: Path, password: str) -> None:
    file.unlink(missing_ok=True)  # of a database that is no longer here
    write_durably(file, password.encode() + b"\n")


def _new_password() -> str:
    return "-".join("".join(secrets.choice(_LETTERS) for _ in range(_GROUP)) for _ in range(_GROUPS))
