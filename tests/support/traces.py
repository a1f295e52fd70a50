"""What a program asked of the kernel, as strace wrote it down, and whether it synced before it answered."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

# fsync and fdatasync count when they have returned, an answer when its first byte may leave.
TRACED: Final = "fsync,fdatasync,sync_file_range,rename,renameat,renameat2,sendto,sendmsg,write,writev"
OPTIONS: Final = ("-f", "-q", "-y", "-s", "96", "-e", f"trace={TRACED}", "-e", "signal=none")
_CALL: Final = re.compile(r"(?P<pid>\d+) +(?P<name>[a-z0-9_]+)\((?P<rest>.*)")
_RESUMED: Final = re.compile(r"(?P<pid>\d+) +<\.\.\. (?P<name>[a-z0-9_]+) resumed>.* = (?P<result>-?\d+)")
_PATH: Final = re.compile(r"\d+<(?P<path>[^>]*)>")
_QUOTED: Final = re.compile(r'"((?:[^"\\]|\\.)*)"')
_RESULT: Final = re.compile(r"\) += (-?\d+)")
_ANSWERS: Final = {"HTTP/1.1 201": "answer", "HTTP/1.1 202": "accepted"}
SYNCS: Final = {"fsync", "fdatasync"}
RENAMES: Final = {"rename", "renameat", "renameat2"}


@dataclass(frozen=True)
class Event:
    """Something that happened: `sync` of a path, `rename` of `path` to `target`, `answer` of 201, `accepted` is one of 202."""

    kind: str
    path: str = ""
    target: str = ""


def read(trace: Path) -> list[Event]:
    """Read what strace wrote, in the order in which it happened."""
    return list(events(trace.read_text("utf-8", errors="replace").splitlines()))


def events(lines: Sequence[str]) -> Iterator[Event]:
    """Give the events that matter, of all processes together."""
    begun: dict[str, str] = {}
    for line in lines:
        resumed = _RESUMED.match(line)
        if resumed is not None:
            rest = begun.pop(resumed["pid"], "")
            yield from _completed(resumed["name"], rest, int(resumed["result"]))
            continue
        call = _CALL.match(line)
        if call is None:
            continue
        name, rest = call["name"], call["rest"]
        if name not in SYNCS | RENAMES:
            yield from (Event(kind) for begin, kind in _ANSWERS.items() if begin in rest)
        if rest.endswith("<unfinished ...>"):
            begun[call["pid"]] = rest
            continue
        result = _RESULT.search(rest)
        if result is not None:
            yield from _completed(name, rest, int(result[1]))


def _completed(name: str, rest: str, result: int) -> Iterator[Event]:
    if result != 0:
        return
    path = _PATH.match(rest)
    if name in SYNCS and path is not None:
        yield Event("sync", path["path"])
    if name in RENAMES:
        names = _QUOTED.findall(rest)
        yield Event("rename", names[0], names[1])


def blob_problems(happened: Sequence[Event], log: str) -> list[str]:
    """Say which of the four steps of a pushed blob is missing, or not before the answer and in its order.

    `happened` ends with the answer; `log` is the part of a path that tells the database's log.
    """
    renames = [place for place, each in enumerate(happened) if each.kind == "rename" and "/blobs/" in each.target]
    if not renames:
        return ["the blob's file was not renamed"]
    place, rename = renames[-1], happened[renames[-1]]
    problems = []
    if Event("sync", rename.path) not in happened[:place]:
        problems.append("the blob's file was not synced before it was renamed")
    folder = Event("sync", rename.target.rpartition("/")[0])
    if folder not in happened[place:]:
        return [*problems, "the blob's folder was not synced after the file was renamed into it"]
    after = place + list(happened[place:]).index(folder)
    return problems + log_problems(happened[after:], log)


def log_problems(happened: Sequence[Event], log: str) -> list[str]:
    """Say whether the database's log was not synced in this stretch."""
    synced = any(each.kind == "sync" and log in each.path for each in happened)
    return [] if synced else ["the database's log was not synced before the answer"]


def push_problems(happened: Sequence[Event], log: str) -> list[str]:
    """Say what was wrong in the push of one blob and one manifest, whose answers are the only two of 201."""
    answers = [place for place, each in enumerate(happened) if each.kind == "answer"]
    if len(answers) != 2:
        return [f"there were {len(answers)} answers of 201, not 2"]
    return blob_problems(happened[: answers[0]], log) + log_problems(happened[answers[0] : answers[1]], log)


def chunk_problems(happened: Sequence[Event], log: str) -> list[str]:
    """Say what was wrong in an upload by POST, two PATCHes and PUT: only the first PATCH makes a file, and so a name."""
    answers = [place for place, each in enumerate(happened) if each.kind == "accepted"]
    if len(answers) != 3:
        return [f"there were {len(answers)} answers of 202, not 3"]
    first, second = happened[answers[0] : answers[1]], happened[answers[1] : answers[2]]
    problems = []
    for which, stretch in (("first", first), ("second", second)):
        files = [place for place, each in enumerate(stretch) if each.kind == "sync" and "/uploads/" in each.path]
        if not files:
            problems.append(f"the upload's file was not synced in the {which} request")
        problems += log_problems(stretch[files[-1] if files else 0 :], log)
    names = [sum(each.kind == "sync" and each.path.endswith("/uploads") for each in stretch) for stretch in (first, second)]
    return problems if names == [1, 0] else [*problems, f"the upload's name was synced {names} times, not once in the first"]
