"""What a job is: its state, what its row says, and what can be wrong with it."""

from typing import ClassVar, Final, Literal, get_args

import msgspec

from entrepot.base.errors import EntrepotError

State = Literal["ready", "running", "done", "failed", "cancelled"]
STATES: Final[tuple[State, ...]] = get_args(State)


class LeaseLost(EntrepotError):
    """Another process may run the job by now, or it has ended: whoever gets this must stop, and nothing was committed."""

    summary = "job {job} is not held any more"


class JobUnknown(EntrepotError):
    """No row has this id."""

    summary = "there is no job {job}: `entrepot job list` shows those that there are"


class JobRefused(EntrepotError):
    """What was asked for means nothing in the job's state."""

    summary = "job {job} is {state}: {why}"


class Job(msgspec.Struct, frozen=True):
    """The arguments of one kind of job, stored as JSON: a field that is added later needs a default."""

    kind: ClassVar[str]
    queue: ClassVar[str] = "default"
    max_attempts: ClassVar[int] = 10


class Progress(msgspec.Struct, frozen=True):
    """How far a job has come; `total` 0 means that nobody knows."""

    done: int
    total: int = 0
    note: str = ""


class Held(msgspec.Struct, frozen=True):
    """A job that one process holds by the token `owner`."""

    id: int
    owner: str
    kind: str
    arguments: str
    attempt: int
    checkpoint: str | None


class JobRow(msgspec.Struct, frozen=True):
    """A job as people see it; times are microseconds since 1970 UTC."""

    id: int
    key: str | None
    queue: str
    kind: str
    arguments: msgspec.Raw
    state: str
    run_at: int
    attempt: int
    max_attempts: int
    progress: msgspec.Raw
    error: str
    cancel_requested: bool
    created_at: int
    finished_at: int | None
