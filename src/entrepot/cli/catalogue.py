"""`entrepot badge` and `entrepot category`: what organisations were granted, and the shelves by which images are found."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from entrepot.base.settings import Found
from entrepot.cli.opening import by_command
from entrepot.cli.printing import AsJson, instant, show
from entrepot.cli.settings import WRONG_USE, refuse, with_settings
from entrepot.domain.catalogue.model import Badge, Category

if TYPE_CHECKING:
    from entrepot.domain.catalogue.service.kinds import Kinds

badges = typer.Typer(help="Badges of organisations.", no_args_is_help=True)
categories = typer.Typer(help="Categories of images.", no_args_is_help=True)
_T = TypeVar("_T")
_Organisation = Annotated[str, typer.Argument(metavar="ORGANISATION")]
_Badge = Annotated[str, typer.Argument(metavar="verified|sponsored")]
_Name = Annotated[str, typer.Argument(metavar="CATEGORY")]
_MOST_RANK = 1_000_000


@badges.command()
@with_settings
def grant(
    organisation: _Organisation,
    badge: _Badge,
    *,
    found: Found,
    checked: Annotated[str, typer.Option(metavar="TEXT", help="What was checked before: it is kept with the badge.")] = "",
) -> None:
    """Grant an organisation a badge: verified for a publisher who is who they say, sponsored for a project that is supported."""
    kind = _known(badge)
    _on(found, lambda kinds: kinds.grant(organisation, kind, checked))
    typer.echo(f"{organisation} has the badge {kind}")


@badges.command()
@with_settings
def revoke(organisation: _Organisation, badge: _Badge, *, found: Found) -> None:
    """Take a badge away."""
    kind = _known(badge)
    _on(found, lambda kinds: kinds.revoke(organisation, kind))
    typer.echo(f"{organisation} has the badge {kind} no longer")


@badges.command("list")
@with_settings
def list_badges(
    *, found: Found, organisation: Annotated[str, typer.Option(help="Only its badges.")] = "", as_json: AsJson = False
) -> None:
    """List badges, and what was checked before they were granted."""
    granted = _on(found, lambda kinds: kinds.granted(organisation))
    rows = [
        [each.namespace, each.kind.value, instant(each.granted_at), f"by {each.granted_by}", " ".join(each.checked.split())]
        for each in granted
    ]
    show(granted, rows, as_json=as_json)


@categories.command("set")
@with_settings
def set_(
    name: _Name,
    *,
    found: Found,
    english: Annotated[str, typer.Option(metavar="TITLE", help="Its title in English.")] = "",
    french: Annotated[str, typer.Option(metavar="TITLE", help="Its title in French.")] = "",
    rank: Annotated[int, typer.Option(min=-1, max=_MOST_RANK, show_default=False, help="Lower ones come first.")] = -1,
) -> None:
    """Make a category, or change one: what is not said stays; a new one comes last."""

    async def change(kinds: "Kinds") -> Category:
        known = {each.name: each for each in await kinds.categories()}
        last = max((each.rank for each in known.values()), default=0)
        before = known.get(name, Category(name, "", "", last + 1))
        wanted = Category(name, english or before.english, french or before.french, before.rank if rank < 0 else rank)
        await kinds.put_category(wanted, wanted.rank)
        return wanted

    made = _on(found, change)
    typer.echo(f"{made.name}: {made.english}, {made.french}")


@categories.command()
@with_settings
def delete(name: _Name, *, found: Found) -> None:
    """Delete a category; images are taken off it."""
    _on(found, lambda kinds: kinds.drop_category(name))
    typer.echo(f"{name} was deleted")


@categories.command("list")
@with_settings
def list_categories(*, found: Found, as_json: AsJson = False) -> None:
    """List the categories in their order."""
    known = _on(found, lambda kinds: kinds.categories())
    show(known, [[each.rank, each.name, each.english, each.french] for each in known], as_json=as_json)


def _known(badge: str) -> Badge:
    if badge not in tuple(Badge):
        refuse(f"there is no badge '{badge}': expected one of {', '.join(Badge)}", WRONG_USE)
    return Badge(badge)


def _on(found: Found, ask: "Callable[[Kinds], Awaitable[_T]]") -> _T:
    """Ask what knows of badges and categories; whoever can read the data folder may do everything."""
    from entrepot.app.parts import opened_database  # noqa: PLC0415 - not needed to show help
    from entrepot.domain.access.service.rule import OpenRule  # noqa: PLC0415
    from entrepot.domain.catalogue.service.kinds import Kinds  # noqa: PLC0415

    async def asked() -> _T:
        async with opened_database(found.settings) as db:
            return await ask(Kinds(db, OpenRule(), by_command()))

    return asyncio.run(asked())
