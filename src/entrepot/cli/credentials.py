"""`entrepot token` and `entrepot robot`: what programs sign in with."""

from typing import TYPE_CHECKING, Annotated, Final

import typer

from entrepot.base.settings import Found
from entrepot.cli.opening import with_accounts
from entrepot.cli.printing import AsJson, instant, show
from entrepot.cli.settings import WRONG_USE, refuse, with_settings
from entrepot.domain.accounts.model import Credential, Grant, Held, Kind, Scope, Terms

if TYPE_CHECKING:
    from collections.abc import Sequence

    from entrepot.app.parts import Accounts

tokens = typer.Typer(help="Tokens of users and organisations.", no_args_is_help=True)
robots = typer.Typer(help="Robots: what no person signs in as.", no_args_is_help=True)
_DAY_S: Final = 86_400
_BY: Final = "the command line"
_Days = Annotated[int, typer.Option(min=0, max=36_500, metavar="DAYS", help="Until it expires; 0 for never.")]
_Networks = Annotated[list[str], typer.Option("--network", metavar="CIDR", help="Where it may be used from; repeatable.")]


@tokens.command("create")
@with_settings
def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What it is for.")],
    *,
    found: Found,
    user: Annotated[str, typer.Option(metavar="USER", help="Whose it is.")] = "",
    org: Annotated[str, typer.Option(metavar="ORGANISATION", help="Or whose, when it is nobody's in particular.")] = "",
    scope: Annotated[Scope, typer.Option(help="What it allows at the most.")] = Scope.READ,
    repository: Annotated[
        list[str], typer.Option("--repository", metavar="PATTERN", help="Which repositories: team/app, team/*; repeatable.")
    ] = [],  # noqa: B006 - typer copies it
    tag: Annotated[
        list[str], typer.Option("--tag", metavar="PATTERN", help="Which tags it may push or delete; repeatable.")
    ] = [],  # noqa: B006
    network: _Networks = [],  # noqa: B006
    expires_in: _Days = 0,
    as_json: AsJson = False,
) -> None:
    """Make a token and print its secret, which is never shown again."""
    if bool(user) == bool(org):
        refuse("say whose token it is: --user USER or --org ORGANISATION", WRONG_USE)
    terms = Terms(scope, tuple(repository), tuple(tag), tuple(network))
    lifetime_s = expires_in * _DAY_S or None

    async def make(who: "Accounts") -> tuple[Credential, str]:
        if user:
            return await who.credentials.add_personal(user, name, terms, lifetime_s=lifetime_s)
        return await who.credentials.add_organisation(org, name, terms, created_by=_BY, lifetime_s=lifetime_s)

    made, secret = with_accounts(found.settings, make)
    show({"credential": made, "secret": secret}, [[secret]], as_json=as_json)


@tokens.command("list")
@with_settings
def list_(
    *,
    found: Found,
    user: Annotated[str, typer.Option(metavar="USER", help="Whose.")] = "",
    org: Annotated[str, typer.Option(metavar="ORGANISATION", help="Or whose.")] = "",
    as_json: AsJson = False,
) -> None:
    """List the tokens of a user or an organisation, newest first."""
    if bool(user) == bool(org):
        refuse("say whose tokens: --user USER or --org ORGANISATION", WRONG_USE)

    async def ask(who: "Accounts") -> "Sequence[Credential]":
        if user:
            return await who.credentials.of_account(await who.users.find(user))
        return await who.credentials.of_namespace(org, Kind.ORGANISATION)

    _show(with_accounts(found.settings, ask), as_json=as_json)


@tokens.command("revoke")
@with_settings
def revoke(id_: Annotated[str, typer.Argument(metavar="ID")], *, found: Found) -> None:
    """Let a token or a robot sign in no more, at once."""
    with_accounts(found.settings, lambda who: who.credentials.revoke(id_))
    typer.echo(f"{id_} was revoked")


@robots.command("create")
@with_settings
def create_robot(
    robot: Annotated[str, typer.Argument(metavar="NAMESPACE+NAME")],
    *,
    found: Found,
    grant: Annotated[list[str], typer.Option("--grant", metavar="PATTERN=read|write|admin", help="What it may do; repeatable.")],
    network: _Networks = [],  # noqa: B006
    expires_in: _Days = 0,
    as_json: AsJson = False,
) -> None:
    """Make a robot and print its secret, which is never shown again."""
    namespace, plus, name = robot.partition("+")
    if not plus:
        refuse(f"the robot is '{robot}': expected NAMESPACE+NAME", WRONG_USE)
    terms = Terms(Scope.DELETE, networks=tuple(network), grants=tuple(_held(each) for each in grant))
    lifetime_s = expires_in * _DAY_S or None
    made, secret = with_accounts(
        found.settings,
        lambda who: who.credentials.add_robot(namespace, name, terms, created_by=_BY, lifetime_s=lifetime_s),
    )
    show({"credential": made, "secret": secret}, [[secret]], as_json=as_json)


@robots.command("list")
@with_settings
def list_robots(namespace: Annotated[str, typer.Argument(metavar="NAMESPACE")], *, found: Found, as_json: AsJson = False) -> None:
    """List the robots of a namespace, newest first."""
    _show(with_accounts(found.settings, lambda who: who.credentials.of_namespace(namespace, Kind.ROBOT)), as_json=as_json)


def _show(credentials: "Sequence[Credential]", *, as_json: bool) -> None:
    rows = [
        [
            each.id,
            each.name,
            " ".join(f"{held.pattern}={held.role.value}" for held in each.terms.grants) or each.terms.scope.value,
            "revoked" if each.revoked_at else f"expires {instant(each.expires_at)}",
            f"used {instant(each.used_at)}" + (f" from {each.used_from}" if each.used_from else ""),
        ]
        for each in credentials
    ]
    show(credentials, rows, as_json=as_json)


def _held(text: str) -> Held:
    pattern, _, role = text.partition("=")
    if role not in set(Grant):
        refuse(f"the grant is '{text}': expected PATTERN=read, PATTERN=write or PATTERN=admin", WRONG_USE)
    return Held(pattern, Grant(role))
