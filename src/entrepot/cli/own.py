"""What administrators do for a user's own account: two-factor sign-in that was lost, the language, and the data to hand over."""

import json
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from entrepot.base.settings import Found
from entrepot.cli.settings import with_settings
from entrepot.cli.users import with_accounts

if TYPE_CHECKING:
    from entrepot.app.parts import Accounts
    from entrepot.domain.accounts.service.own import OwnData

_Name = Annotated[str, typer.Argument(metavar="NAME")]


@with_settings
def one_factor(name: _Name, *, found: Found) -> None:
    """Turn two-factor sign-in off for somebody who has lost their app and their codes."""

    async def ask(who: "Accounts") -> None:
        await who.people.factors.remove(await who.users.find(name))

    with_accounts(found.settings, ask)
    typer.echo(f"{name} signs in with the password alone, and was signed out everywhere")


@with_settings
def language(name: _Name, code: Annotated[str, typer.Argument(metavar="en|fr")], *, found: Found) -> None:
    """Choose the language of the mail that a user gets."""
    with_accounts(found.settings, lambda who: who.users.set_language(name, code))
    typer.echo(f"{name} is written to in '{code}'")


@with_settings
def export(name: _Name, *, found: Found) -> None:
    """Print as JSON what is known of a user, for them to have; no secret is in it."""

    async def ask(who: "Accounts") -> "OwnData":
        return await who.people.own.export(await who.users.find(name))

    typer.echo(json.dumps(msgspec.to_builtins(with_accounts(found.settings, ask)), indent=2, ensure_ascii=False))
