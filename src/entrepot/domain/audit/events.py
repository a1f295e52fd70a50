"""What the audit log asks to be done now and then, as jobs."""

from typing import ClassVar

from entrepot.platform.jobs import Job


class SignHead(Job, frozen=True):
    """Sign the end of the chain."""

    kind: ClassVar[str] = "audit.sign_head"


class LookAfterOldRows(Job, frozen=True):
    """Cut the addresses of old rows, and prune months that are over long enough."""

    kind: ClassVar[str] = "audit.look_after_old_rows"
