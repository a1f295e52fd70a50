"""Kills supervisor, web worker or job process, one at a time and at random, while clients push, pull and delete and jobs run."""

import asyncio
import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from entrepot.base.settings import Settings
from support import images
from support.http import Client
from support.instance import Instance
from support.jobs import LAST, Steps, effects, make_effects, put, states
from support.killing import accounted, files
from support.parts import opened
from support.processes import BESIDE, descendants
from support.pushers import GoneClient, Ledger, Pusher
from support.sources import Sources
from support.tools import PROJECT

_PUSHERS: Final = 3
_STEPS: Final = 16
_PAUSE_S: Final = 0.05
_REPLACED_S: Final = 20.0
_ENDED_S: Final = 3.0  # workers; the job process gives its jobs five seconds
_JOBS_ENDED_S: Final = 30.0
_LEASES_S: Final = 60.0
_KINDS: Final = ("worker", "jobs", "supervisor")
_KEPT: Final = 0.3  # of the images that the deleting client pushes


def with_steps(folder: Path) -> dict[str, str]:
    """Return the environment of a copy whose job process also does `Steps`, the kind whose effects can be counted."""
    sources = Sources(folder)
    sources.change("app/jobs.py", "kinds=[", f'kinds=[Kind(Steps, stepping("served", {_PAUSE_S})), ')
    sources.change("app/jobs.py", "_DEFAULT_PLACES: Final", "from support.jobs import Steps, stepping\n_DEFAULT_PLACES: Final")
    found = sources.environment()
    return {**found, "PYTHONPATH": f"{found['PYTHONPATH']}:{PROJECT / 'tests'}"}


class _Others:
    """A client that pulls what was acknowledged, and one that pushes images of its own and deletes them."""

    def __init__(self, url: str, ledger: Ledger, chance: random.Random) -> None:
        self.deleted: set[str] = set()
        self.pulled = 0
        self.stop = threading.Event()
        self.error: BaseException | None = None
        self._url = url
        self._ledger = ledger
        self._chance = chance
        self._threads = [threading.Thread(target=self._run, args=[act], daemon=True) for act in (self._pull, self._delete)]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        """End, and say what was wrong."""
        self.stop.set()
        for thread in self._threads:
            thread.join(30)
            assert not thread.is_alive(), "a client waits for ever"
        if self.error is not None:
            raise self.error

    def _run(self, act: Callable[[Client], None]) -> None:
        client = GoneClient(self._url, limit_s=20)
        while not self.stop.is_set():
            try:
                act(client)
            except OSError:
                time.sleep(0.02)
            except BaseException as error:  # noqa: BLE001 - shown by the test, which waits in another thread
                self.error = error
                return

    def _pull(self, client: Client) -> None:
        with self._ledger.lock:
            known = list(self._ledger.blobs)
        if not known:
            time.sleep(0.05)
            return
        repository, digest = self._chance.choice(known)
        found = client.get(f"/v2/{repository}/blobs/{digest}")
        assert found.status == 200, f"{repository}@{digest} was acknowledged and answers {found.status}"
        assert images.sha256(found.content) == digest
        self.pulled += 1

    def _delete(self, client: Client) -> None:
        image = images.simple_image(self._chance.getrandbits(32))
        images.push(client, "crash/deleted", image, "v1")
        digest = image.manifest.digest
        if self._chance.random() < _KEPT:
            with self._ledger.lock:
                self._ledger.manifests.add(("crash/deleted", digest))
            return
        assert client.delete(f"/v2/crash/deleted/manifests/{digest}").status == 202
        self.deleted.add(digest)


@contextmanager
def _clients(instance: Instance, ledger: Ledger, chance: random.Random) -> Iterator[_Others]:
    pushers = [Pusher(instance.url, ledger, number, chance.getrandbits(32), patient=True) for number in range(_PUSHERS)]
    others = _Others(instance.url, ledger, random.Random(chance.getrandbits(32)))
    threads: list[Pusher | _Others] = [*pushers, others]
    for each in threads:
        each.start()
    yield others
    for pusher in pushers:
        pusher.stop.set()
    others.join()
    for pusher in pushers:
        pusher.join(30)
        assert not pusher.is_alive(), "a client waits for ever"
        if pusher.error is not None:
            raise pusher.error


def kill_parts(instance: Instance, kills: int) -> Counter[str]:
    """Kill one process after another; return what was killed and done. `instance` must know the kind `Steps`."""
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")  # noqa: T201 - shown when the test fails
    chance, ledger, done = random.Random(seed), Ledger(), Counter[str]()
    place = Settings(data=str(instance.data), database=instance.database)
    asyncio.run(make_effects(place))
    kinds = [*_KINDS, *chance.choices(_KINDS, [4, 3, 2], k=kills - len(_KINDS))]
    chance.shuffle(kinds)
    with _clients(instance, ledger, chance) as others:
        for kind in kinds:
            asyncio.run(_enqueue(place, 2))
            time.sleep(chance.uniform(0.2, 0.8))
            _kill(instance, kind, chance)
            done[kind] += 1
            assert others.error is None, others.error
    ledger.check(instance.client(), ledger.blobs, ledger.manifests)
    for digest in others.deleted:
        assert instance.client().get(f"/v2/crash/deleted/manifests/{digest}").status == 404
    done.update(blobs=len(ledger.blobs), manifests=len(ledger.manifests), deleted=len(others.deleted), pulled=others.pulled)
    done.update(resumed=ledger.resumed, **asyncio.run(_jobs_done(place)))
    assert accounted(place) == files(instance.data)
    return done


def _kill(instance: Instance, kind: str, chance: random.Random) -> None:
    """Kill a process of this kind at once, and wait until the service is whole again."""
    if kind == "supervisor":
        _kill_supervisor(instance)
        return
    before = _processes(instance.pid)
    victim = chance.choice(before[kind])
    os.kill(victim, signal.SIGKILL)
    _until(
        lambda: _replaced(instance.pid, kind, victim, len(before[kind])), _REPLACED_S, lambda: f"{kind} {victim} is not replaced"
    )


def _replaced(supervisor: int, kind: str, victim: int, count: int) -> bool:
    there = _processes(supervisor)[kind]
    return victim not in there and len(there) == count


def _kill_supervisor(instance: Instance) -> None:
    """Its workers end with it at once, its job process when its jobs have; the command is then given once more."""
    children = _processes(instance.pid)
    instance.kill_supervisor()
    try:
        _until(lambda: not any(map(_lives, children["worker"])), _ENDED_S, lambda: f"workers outlived it: {_threads(children)}")
    except AssertionError:
        for pid in filter(_lives, (*children["worker"], *children["jobs"])):
            os.kill(pid, signal.SIGKILL)  # nobody else would end them
        raise
    instance.restart()
    _until(
        lambda: not any(map(_lives, children["jobs"])),
        _JOBS_ENDED_S,
        lambda: f"the job process outlived it: {_threads(children)}",
    )


def _processes(supervisor: int) -> dict[str, list[int]]:
    named = {pid: name for pid in descendants(supervisor) if (name := _name(pid))}
    jobs = [pid for pid, name in named.items() if name in BESIDE]
    readers = {pid for each in jobs for pid in descendants(each)}
    return {"worker": [pid for pid in named if pid not in readers and pid not in jobs], "jobs": jobs}


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text("utf-8").strip() if _lives(pid) else ""
    except OSError:
        return ""


def _threads(children: dict[str, list[int]]) -> dict[int, list[str]]:
    """Tell what the threads of each process that is left wait for."""
    return {
        pid: [
            " ".join((folder / file).read_text("utf-8").strip() for file in ("comm", "wchan"))
            for folder in Path(f"/proc/{pid}/task").iterdir()
        ]
        for pid in filter(_lives, (*children["worker"], *children["jobs"]))
    }


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _until(so: Callable[[], bool], limit_s: float, else_: Callable[[], str]) -> None:
    end = time.monotonic() + limit_s
    while not so():
        assert time.monotonic() < end, else_()
        time.sleep(0.02)


async def _enqueue(place: Settings, count: int) -> None:
    async with opened(place) as db:
        for _ in range(count):
            await put(db, Steps(count=_STEPS))


async def _jobs_done(place: Settings) -> dict[str, int]:
    """Wait for all jobs; each step of each must have taken effect once."""
    end = time.monotonic() + _LEASES_S
    while any(state in ("ready", "running") for state in (await states(place, Steps)).values()):
        assert time.monotonic() < end, f"jobs are not done: {await states(place, Steps)}"
        await asyncio.sleep(0.1)
    # The registry's own jobs are not looked at: one that was killed ten times waits for a person.
    assert set((await states(place, Steps)).values()) == {"done"}
    found = await effects(place)
    assert all(steps == [*range(1, _STEPS + 1), LAST] for steps in found.values()), found
    return {"jobs done": len(found)}
