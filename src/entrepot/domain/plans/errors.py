"""What a plan refuses, with what would allow it."""

from entrepot.base.errors import EntrepotError
from entrepot.domain.access.errors import PolicyRefused


class PlanRefused(PolicyRefused):
    """The namespace has as much of something as its plan allows."""


class PlanningRefused(EntrepotError):
    """Base of what those are told who change plans."""


class PlanUnknown(PlanningRefused):
    """There is no plan of that name."""

    summary = "there is no plan '{plan}': `entrepot plan list` shows those that there are"


class PlanInvalid(PlanningRefused):
    """A plan cannot be like that."""

    summary = "the plan's {what} is '{value}': expected {expected}"


class SubscriberUnknown(PlanningRefused):
    """There is no user and no organisation of that name."""

    summary = "there is no user and no organisation '{name}'"
