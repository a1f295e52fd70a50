"""`entrepot plan`: what plans allow, who has which, and what of it is used."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
import typer

from entrepot.base.settings import Found
from entrepot.cli.opening import with_accounts, with_parts, with_registry
from entrepot.cli.printing import AsJson, instant, show
from entrepot.cli.settings import WRONG_USE, refuse, with_settings
from entrepot.domain.plans.model import Plan, Usage

if TYPE_CHECKING:
    from entrepot.app.parts import Accounts, Parts

app = typer.Typer(help="Plans: what users and organisations may have.", no_args_is_help=True)
_MOST: Final = 10_000
_ANY: Final = "any"
_HEADS: Final = ("plan", "private repositories", "storage", "pulls in 6 hours", "seats", "priority", "features")
_NEW: Final = Plan("new", 100, None, None, None, None, 0, ())
_METAVAR: Final = "NUMBER|any"
_Name = Annotated[str, typer.Argument(metavar="PLAN")]
_Private = Annotated[str, typer.Option("--private", metavar=_METAVAR, show_default=False, help="Private repositories.")]
_Storage = Annotated[str, typer.Option("--bytes", metavar=_METAVAR, show_default=False, help="Of blobs; only shown so far.")]
_Pulls = Annotated[str, typer.Option("--pulls", metavar=_METAVAR, show_default=False, help="By an account in 6 hours.")]
_Seats = Annotated[str, typer.Option("--seats", metavar=_METAVAR, show_default=False, help="Members of an organisation.")]
_Number = Annotated[str, typer.Option(metavar="NUMBER", show_default=False)]


@app.command("list")
@with_settings
def list_(*, found: Found, as_json: AsJson = False) -> None:
    """List the plans."""
    plans = with_accounts(found.settings, lambda who: who.plans.all())
    show(plans, [_HEADS, *(_row(plan) for plan in plans)], as_json=as_json)


@app.command("show")
@with_settings
def show_(name: _Name, *, found: Found, as_json: AsJson = False) -> None:
    """Show what a plan allows."""
    plan = with_accounts(found.settings, lambda who: who.plans.find(name))
    show(plan, list(zip(_HEADS, _row(plan), strict=True)), as_json=as_json)


@app.command("set")
@with_settings
def set_(
    name: _Name,
    *,
    found: Found,
    private: _Private = "",
    size: _Storage = "",
    pulls: _Pulls = "",
    seats: _Seats = "",
    priority: _Number = "",
    rank: _Number = "",
    feature: Annotated[list[str], typer.Option(metavar="NAME", help="All that is switched on; repeatable.")] = [],  # noqa: B006
) -> None:
    """Change what a plan allows, or make one; what is not said stays, and a new plan allows any number."""
    limits = {"private_repositories": private, "storage_bytes": size, "pulls": pulls, "seats": seats}
    changes: dict[str, object] = {what: _limit(what, text) for what, text in limits.items() if text}
    changes |= {what: _number(what, text) for what, text in (("priority", priority), ("rank", rank)) if text}
    if feature:
        changes["features"] = tuple(feature)

    async def change(who: "Accounts") -> Plan:
        known = {plan.name: plan for plan in await who.plans.all()}
        plan = msgspec.structs.replace(known.get(name, _NEW), **{"name": name, **changes})
        await who.plans.put(plan)
        return plan

    show(None, [_HEADS, _row(with_accounts(found.settings, change))], as_json=False)


@app.command()
@with_settings
def give(namespace: Annotated[str, typer.Argument(metavar="NAMESPACE")], name: _Name, *, found: Found) -> None:
    """Give a user or an organisation a plan; what they have beyond it stays."""
    with_accounts(found.settings, lambda who: who.plans.give(namespace, name))
    typer.echo(f"{namespace} has the plan {name}")


@app.command()
@with_settings
def delete(name: _Name, *, found: Found) -> None:
    """Delete a plan that nobody has."""
    with_accounts(found.settings, lambda who: who.plans.delete(name))
    typer.echo(f"{name} was deleted")


def show_usage(found: Found, namespace: str, *, as_json: bool) -> None:
    """Show what a user or an organisation has of what their plan allows."""

    async def ask(parts: "Parts") -> Usage:
        plans = parts.accounts.plans
        return await parts.registry.repositories.usage(namespace, await plans.of(namespace), await plans.seats(namespace))

    usage = with_parts(found.settings, ask)
    plan = usage.plan
    rows: list[Sequence[object]] = [
        ["plan", plan.name, ""],
        ["public repositories", usage.public_repositories, "of any number"],
        ["private repositories", usage.private_repositories, f"of {_shown(plan.private_repositories)}"],
        ["bytes", usage.storage_bytes, f"of {_shown(plan.storage_bytes)}"],
        ["members", usage.seats, f"of {_shown(plan.seats)}"],
        ["pulls in 6 hours", usage.pulls, f"of {_shown(plan.pulls)} by an account"],
    ]
    show(usage, rows, as_json=as_json)


def show_pulls(found: Found, namespace: str, *, as_json: bool) -> None:
    """Show who pulled what in the last six hours: a user, or the tokens and robots of a namespace."""
    pulls = with_registry(found.settings, lambda registry: registry.pulls.recent(namespace, _MOST))
    rows = [
        [f"from {instant(each.began_at)}", each.repository, each.source, each.token or each.credential or "password", each.pulls]
        for each in pulls
    ]
    show(pulls, rows, as_json=as_json)


def _row(plan: Plan) -> Sequence[object]:
    limits = (plan.private_repositories, plan.storage_bytes, plan.pulls, plan.seats)
    return [plan.name, *(_shown(limit) for limit in limits), plan.priority, " ".join(plan.features) or "-"]


def _shown(limit: int | None) -> str:
    return "any number" if limit is None else str(limit)


def _limit(what: str, text: str) -> int | None:
    return None if text == _ANY else _number(what, text)


def _number(what: str, text: str) -> int:
    if not text.isascii() or not text.isdecimal():
        refuse(f"{what.replace('_', ' ')} is '{text}': expected a number, or any", WRONG_USE)
    return int(text)
