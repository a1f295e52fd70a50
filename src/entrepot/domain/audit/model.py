"""Acts as they are recorded: who did what to what, from where, and how it ended."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

import msgspec

Detail = str | int | bool | None
NOTHING: Final[Mapping[str, Detail]] = {}
_ENDLESS: Final = (1 << 63) - 1


class Act(StrEnum):
    """What is recorded; the documentation lists these with their meaning."""

    SIGN_IN = "sign-in"
    USER_ADD = "user.add"
    USER_PASSWORD = "user.password"  # noqa: S105 - the name of an act
    USER_LINK = "user.link"
    USER_EMAIL = "user.email"
    USER_PROMOTE = "user.promote"
    USER_DEMOTE = "user.demote"
    USER_LOCK = "user.lock"
    USER_UNLOCK = "user.unlock"
    USER_DELETE = "user.delete"
    FACTOR_ADD = "second-factor.add"
    FACTOR_REMOVE = "second-factor.remove"
    FACTOR_CODES = "second-factor.codes"
    SESSION_END = "session.end"
    INVITATION_ADD = "invitation.add"
    INVITATION_REVOKE = "invitation.revoke"
    ORGANISATION_ADD = "organisation.add"
    ORGANISATION_ADOPT = "organisation.adopt"
    ORGANISATION_FACTOR = "organisation.second-factor"
    ORGANISATION_DELETE = "organisation.delete"
    MEMBER_SET = "member.set"
    MEMBER_REMOVE = "member.remove"
    TEAM_ADD = "team.add"
    TEAM_DELETE = "team.delete"
    TEAM_JOIN = "team.join"
    TEAM_LEAVE = "team.leave"
    GRANT_SET = "grant.set"
    GRANT_WITHDRAW = "grant.withdraw"
    TOKEN_ADD = "token.add"  # noqa: S105 - the name of an act
    TOKEN_REVOKE = "token.revoke"  # noqa: S105
    ROBOT_ADD = "robot.add"
    ROBOT_REVOKE = "robot.revoke"
    REPOSITORY_ADD = "repository.add"
    REPOSITORY_VISIBILITY = "repository.visibility"
    REPOSITORY_ARCHIVE = "repository.archive"
    REPOSITORY_RENAME = "repository.rename"
    REPOSITORY_DELETE = "repository.delete"
    NAMESPACE_RENAME = "namespace.rename"
    NAMESPACE_VISIBILITY = "namespace.visibility"
    NAME_RELEASE = "name.release"
    PLAN_SET = "plan.set"
    PLAN_DELETE = "plan.delete"
    PLAN_GIVE = "plan.give"
    BADGE_GRANT = "badge.grant"
    BADGE_REVOKE = "badge.revoke"
    CATEGORY_SET = "category.set"
    CATEGORY_DELETE = "category.delete"
    MANIFEST_DELETE = "manifest.delete"
    TAG_DELETE = "tag.delete"
    BLOB_DELETE = "blob.delete"
    REPORT_SETTLE = "report.settle"
    REPORT_REJECT = "report.reject"
    REPORT_REOPEN = "report.reopen"
    JOB_CANCEL = "job.cancel"
    JOB_RETRY = "job.retry"
    JOB_DROP = "job.drop"
    MODE_CHANGE = "mode.change"
    AUDIT_PRUNE = "audit.prune"


class Outcome(StrEnum):
    """How it ended."""

    DONE = "done"
    REFUSED = "refused"


class Origin(msgspec.Struct, frozen=True):
    """From where: a client's address, or for a command the user of the machine who ran it."""

    address: str = ""
    os_user: str = ""


NOWHERE: Final = Origin()


class Author(msgspec.Struct, frozen=True):
    """Who: a name, and the id of the token that they signed in with, if it was one."""

    name: str
    credential: str = ""
    origin: Origin = NOWHERE


# What the program does by itself.
HUB: Final = Author("the hub")
# The name of whoever did not prove who they are.
ANYONE: Final = "anyone"


class Deed(msgspec.Struct, frozen=True):
    """What: `target` names what it was done to, `namespace` where that lies, '' for the hub itself."""

    act: Act
    namespace: str
    target: str
    details: Mapping[str, Detail] = NOTHING
    outcome: Outcome = Outcome.DONE


def done(act: Act, target: str, details: Mapping[str, Detail] = NOTHING) -> Deed:
    """Return what was done to a target whose name begins with its namespace: `ann`, `acme/app`."""
    return Deed(act, target.partition("/")[0], target, details)


class Event(msgspec.Struct, frozen=True):
    """A row of the log. `address` is None where there was none, or when it was cut to `network`; times are microseconds UTC.

    `position` and `digest` are None until the sequencer has put it into the chain.
    """

    id: int
    position: int | None
    happened_at: int
    actor: str
    credential: str
    os_user: str
    address: str | None
    network: str
    act: str
    namespace: str
    target: str
    outcome: str
    details: str  # JSON
    address_salt: bytes | None
    address_mark: bytes
    digest: bytes | None

    @property
    def shown_address(self) -> str:
        """The address as far as it is kept."""
        return self.address or self.network


class Wanted(msgspec.Struct, frozen=True):
    """Which rows are asked for: what is empty is not looked at; times are microseconds UTC, `since` inclusive."""

    actor: str = ""
    act: str = ""
    namespace: str = ""
    since: int = 0
    until: int = _ENDLESS

    def has(self, event: Event) -> bool:
        """Tell whether a row is among them."""
        return (
            self.actor in ("", event.actor)
            and self.act in ("", event.act)
            and self.namespace in ("", event.namespace)
            and self.since <= event.happened_at < self.until
        )


class Head(msgspec.Struct, frozen=True):
    """How far the chain goes, and up to which row it was pruned."""

    position: int
    digest: bytes
    floor: int = 0


class ChainState(msgspec.Struct, frozen=True):
    """How far the chain goes, how many rows wait for a place in it, and when its end was signed last (microseconds UTC)."""

    position: int
    floor: int
    waiting: int
    anchored_at: int | None
    anchored: int


class Anchor(msgspec.Struct, frozen=True):
    """A signed statement about the chain's head at a time; `floor` says, signed, that the rows up to here were pruned."""

    position: int
    digest: bytes
    token: str
    made_at: int
    floor: str | None


class Verdict(msgspec.Struct, frozen=True):
    """What a look at the whole chain found: `bad` is the first bad row, `anchored` the last good one that has an anchor."""

    first: int
    last: int
    anchored: int
    waiting: int
    bad: int | None = None
    says: str = ""
