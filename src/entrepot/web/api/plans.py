"""Plans, who has which, and what of it is used."""

from datetime import datetime
from typing import Annotated, Final, Self

from pydantic import Field

from entrepot.domain.access.model import Action
from entrepot.domain.plans.model import Plan as Found
from entrepot.domain.plans.model import Usage as Used
from entrepot.domain.registry.model import RecentPulls
from entrepot.web.api.asking import Asking
from entrepot.web.api.credentials import require_no_token
from entrepot.web.api.models import Page, Segment, Sent, Shown, instant
from entrepot.web.api.routing import PREFIX, Noun

_noun: Final = Noun("plans", PREFIX)
MOST_PULLS: Final = 1000
_Number = Annotated[int, Field(ge=0, le=2**53)]
_Limit = _Number | None


class Limits(Shown):
    """What a plan allows; null stands for any number. Pulls are those of an account in six hours."""

    private_repositories: _Limit
    storage_bytes: _Limit
    pulls: _Limit
    seats: _Limit


class Plan(Limits):
    """A plan; one of a higher rank is offered to whoever needs more than theirs allows."""

    name: str
    rank: int
    priority: int
    features: list[str]

    @classmethod
    def of(cls, found: Found) -> Self:
        """Return what is shown of it."""
        return cls(
            name=found.name,
            rank=found.rank,
            private_repositories=found.private_repositories,
            storage_bytes=found.storage_bytes,
            pulls=found.pulls,
            seats=found.seats,
            priority=found.priority,
            features=list(found.features),
        )


class NewPlan(Sent):
    """What a plan is to allow; null stands for any number."""

    rank: _Number = 100
    private_repositories: _Limit = None
    storage_bytes: _Limit = None
    pulls: _Limit = None
    seats: _Limit = None
    priority: _Number = 0
    features: Annotated[tuple[Annotated[str, Field(max_length=100)], ...], Field(max_length=100, strict=False)] = ()


class GivenPlan(Sent):
    """The plan that a namespace is to have."""

    plan: Annotated[str, Field(max_length=100)]


class Usage(Shown):
    """What a namespace has of what its plan limits; each blob is counted once."""

    plan: Plan
    private_repositories: int
    public_repositories: int
    storage_bytes: int
    seats: int
    pulls: int = Field(description="In the last six hours, by the user, or by tokens and robots of the namespace.")

    @classmethod
    def of(cls, found: Used) -> Self:
        """Return what is shown of it."""
        return cls(
            plan=Plan.of(found.plan),
            private_repositories=found.private_repositories,
            public_repositories=found.public_repositories,
            storage_bytes=found.storage_bytes,
            seats=found.seats,
            pulls=found.pulls,
        )


class Pulls(Shown):
    """Pulls of a repository in the five minutes that began then: from where, and with which token, null for a password."""

    began_at: datetime
    source: str
    token: str | None
    token_name: str | None
    repository: str
    pulls: int

    @classmethod
    def of(cls, found: RecentPulls) -> Self:
        """Return what is shown of them."""
        return cls(
            began_at=instant(found.began_at),
            source=found.source,
            token=found.credential or None,
            token_name=found.token,
            repository=found.repository,
            pulls=found.pulls,
        )


@_noun.get("/plans")
async def list_plans(asked: Asking) -> Page[Plan]:
    """List the plans that there are, in the order in which they offer more. For everybody."""
    return Page(items=[Plan.of(each) for each in await asked.verbs.plans.all()])


@_noun.put("/plans/{plan}")
async def set_plan(asked: Asking, plan: Segment, body: NewPlan) -> None:
    """Make a plan, or replace the one of that name. For administrators."""
    await asked.verbs.permits.on_hub(asked.actor)
    require_no_token(asked)
    await asked.verbs.plans.put(
        Found(
            plan,
            body.rank,
            body.private_repositories,
            body.storage_bytes,
            body.pulls,
            body.seats,
            body.priority,
            body.features,
        )
    )


@_noun.delete("/plans/{plan}")
async def delete_plan(asked: Asking, plan: Segment) -> None:
    """Delete a plan that nobody has. For administrators."""
    await asked.verbs.permits.on_hub(asked.actor)
    require_no_token(asked)
    await asked.verbs.plans.delete(plan)


@_noun.get("/namespaces/{namespace}/usage")
async def get_usage(asked: Asking, namespace: Segment) -> Usage:
    """Show what a user or an organisation has of what their plan allows. For owners."""
    await asked.verbs.permits.in_namespace(asked.actor, Action.MANAGE, namespace, "namespace")
    plans, rooms = asked.verbs.plans, asked.verbs.registry
    plan, seats = await plans.of(namespace), await plans.seats(namespace)
    return Usage.of(await rooms.repositories.usage(namespace, plan, seats))


@_noun.get("/namespaces/{namespace}/pulls")
async def list_pulls(asked: Asking, namespace: Segment) -> Page[Pulls]:
    """List the last thousand sums of pulls in six hours: of a user, or of a namespace's tokens and robots. For owners."""
    await asked.verbs.permits.in_namespace(asked.actor, Action.MANAGE, namespace, "namespace")
    return Page(items=[Pulls.of(each) for each in await asked.verbs.registry.pulls.recent(namespace, MOST_PULLS)])


@_noun.put("/namespaces/{namespace}/plan")
async def give_plan(asked: Asking, namespace: Segment, body: GivenPlan) -> None:
    """Give a user or an organisation a plan; what they have beyond it stays. For administrators."""
    await asked.verbs.permits.on_hub(asked.actor)
    require_no_token(asked)
    await asked.verbs.plans.give(namespace, body.plan)
