"""The settings as options of every command that touches data, and how a refusal is shown and what the exit code is then."""

import inspect
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, Final, NoReturn

import typer

from entrepot.base import settings
from entrepot.base.errors import EntrepotError, Unavailable
from entrepot.base.settings import SettingRefused, SettingsFileUnreadable, SettingUnknown

REFUSED: Final = 1
WRONG_USE: Final = 2
_WRONG_USE: Final = (SettingRefused, SettingUnknown, SettingsFileUnreadable)


def with_settings(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command an option for each setting; it is called with `found`, the settings in force, and its own options."""
    own = [parameter for name, parameter in inspect.signature(command).parameters.items() if name != "found"]
    options = [_option(name) for name in settings.FIELDS]
    config = inspect.Parameter(
        "config",
        inspect.Parameter.KEYWORD_ONLY,
        default=None,
        annotation=Annotated[
            Path | None,
            typer.Option(help="TOML file with settings.", envvar=f"{settings.ENVIRONMENT_PREFIX}CONFIG", metavar="FILE"),
        ],
    )

    @wraps(command)
    def run(**arguments: Any) -> None:
        os.umask(0o077)  # whatever is made from now on, by child processes too, is for this user's eyes alone
        file = arguments.pop("config")
        given = {name: arguments.pop(name) for name in settings.FIELDS}
        with refusals():
            command(found=settings.find(given, os.environ, file), **arguments)

    own = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own]
    run.__signature__ = inspect.Signature([*own, config, *options])  # type: ignore[attr-defined]  # read by typer
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in [*own, config, *options]}
    return run


def _option(name: str) -> inspect.Parameter:
    default = settings.FIELDS[name].default
    shown = str(default).lower() if isinstance(default, bool) else default
    help_ = f"{settings.sentence(name)} Expected: {settings.expected(name)}." + (f" Default: {shown}." if shown != "" else "")
    option = typer.Option(f"--{settings.option(name)}", help=help_, metavar="VALUE", show_default=False)
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[str | None, option])


@contextmanager
def refusals() -> Iterator[None]:
    """Show an error of ours as a sentence on standard error, with exit code 1, or 2 for wrong use."""
    try:
        yield
    except EntrepotError as error:
        refuse(error.message + _cause(error), WRONG_USE if isinstance(error, _WRONG_USE) else REFUSED)


def _cause(error: EntrepotError) -> str:
    """Return in brackets what is known of why the database is not available; an error about its address may cite passwords."""
    cause = error.__cause__
    if not isinstance(error, Unavailable) or cause is None or isinstance(cause, ValueError):
        return ""
    from entrepot.platform.db.database import DatabaseUnavailable  # noqa: PLC0415 - not needed to show help

    return f" ({type(cause).__name__}: {cause})" if isinstance(error, DatabaseUnavailable) else ""


def refuse(message: str, code: int = REFUSED) -> NoReturn:
    """Say why not, and end."""
    typer.echo(f"entrepot: {message}", err=True)
    raise typer.Exit(code)
