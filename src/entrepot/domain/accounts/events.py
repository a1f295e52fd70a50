"""What accounts ask to be done later, as jobs."""

from typing import ClassVar

from entrepot.platform.jobs import Job


class ForgetFailures(Job, frozen=True):
    """Delete the counts of failed sign-ins that mean nothing any more."""

    kind: ClassVar[str] = "accounts.forget_failures"
