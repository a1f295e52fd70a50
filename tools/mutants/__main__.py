"""Plants faults drawn at random and counts those that the tests notice.

Usage: python -m tools.mutants [--count 100] [--seed N] [--jobs 2] [--only TEXT] [--list] [--skip-check]

The seed is printed; with the same seed, on the same sources, the same faults are drawn, and a run that was broken off goes on.
"""

import argparse
import difflib
import json
import queue
import random
import sys
import tempfile
import threading
from collections import Counter
from pathlib import Path
from typing import Any

from tools.mutants.faults import Fault, faults
from tools.mutants.trials import PROJECT, SOURCES, Copy, Outcome, as_row

SCOPE = ("spec", "domain", "web/v2", "platform/db", "platform/storage")
# A migration that was released is never changed again, and its own tests compare all of its outcome.
LEFT_OUT = ("/migrations/versions/",)
RESULTS = PROJECT / ".test-results"
WANTED_SHARE = 0.85


def all_faults() -> list[Fault]:
    """List every fault that could be drawn."""
    files = (path for part in SCOPE for path in sorted((PROJECT / SOURCES / part).rglob("*.py")))
    return [fault for path in files if not any(out in str(path) for out in LEFT_OUT) for fault in faults(path, PROJECT)]


def drawn(candidates: list[Fault], count: int, seed: int) -> list[Fault]:
    """Draw faults, at most one in each function until every function has had one."""
    rest = sorted(candidates, key=lambda fault: fault.name)
    random.Random(seed).shuffle(rest)
    chosen: list[Fault] = []
    while rest and len(chosen) < count:
        seen: set[tuple[str, str]] = set()
        later: list[Fault] = []
        for fault in rest:
            where = (fault.path, fault.function)
            (later if where in seen else chosen).append(fault)
            seen.add(where)
        rest = later
    return chosen[:count]


class Run:
    """A run over some faults: its results so far lie in a file, so that it can be broken off."""

    def __init__(self, chosen: list[Fault], file: Path) -> None:
        self.file = file
        self.results: dict[str, dict[str, Any]] = {}
        if file.exists():
            names = {fault.name for fault in chosen}
            self.results = {name: row for name, row in json.loads(file.read_text("utf-8")).items() if name in names}
        self._waiting: queue.SimpleQueue[Fault] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._count = len(chosen)
        for fault in chosen:
            if fault.name not in self.results:
                self._waiting.put(fault)

    def work(self, folder: Path) -> None:
        """Try faults in a copy of the project until there are none left."""
        copy = Copy(folder)
        while True:
            try:
                fault = self._waiting.get_nowait()
            except queue.Empty:
                return
            self._keep(fault, copy.try_(fault))

    def _keep(self, fault: Fault, outcome: Outcome) -> None:
        with self._lock:
            self.results[fault.name] = as_row(fault, outcome)
            self.file.parent.mkdir(exist_ok=True)
            self.file.write_text(json.dumps(self.results, indent=1), "utf-8")
            how = f"noticed ({outcome.noticed_by})" if outcome.noticed_by else "SURVIVED"
            said = f"{fault.path}:{fault.line} {fault.kind}: {how}, {outcome.took_s:.0f} s"
            print(f"{len(self.results)}/{self._count} {said}", flush=True)


def diff(fault: Fault) -> str:
    """Show a fault as a change of the file."""
    text = (PROJECT / fault.path).read_text("utf-8")
    lines = difflib.unified_diff(text.splitlines(), fault.plant(text).splitlines(), fault.path, fault.path, "", "", 0, "")
    return "\n".join(line for line in lines if not line.startswith(("---", "+++")))


def report(results: dict[str, dict[str, Any]], seed: int) -> bool:
    """Print the table and the survivors; tell whether enough was noticed."""
    rows = list(results.values())
    survivors = [Fault(**row["fault"]) for row in rows if not row["outcome"]["noticed_by"]]
    total, survived = (Counter(_part(Fault(**row["fault"])) for row in rows), Counter(_part(fault) for fault in survivors))
    print(f"\n| part | faults | noticed |\n|---|---|---|   seed {seed}")
    for part in sorted(total):
        print(f"| {part} | {total[part]} | {total[part] - survived[part]} |")
    noticed = len(rows) - len(survivors)
    print(f"| all | {len(rows)} | {noticed} ({100 * noticed / max(len(rows), 1):.0f} %) |")
    for fault in survivors:
        print(f"\n{fault.path}:{fault.line} in {fault.function}: {fault.kind}\n{diff(fault)}")
    return noticed >= WANTED_SHARE * len(rows)


def _part(fault: Fault) -> str:
    return next(part for part in SCOPE if fault.path.startswith(f"{SOURCES}/{part}/"))


def main() -> int:
    """Draw, try and report; the exit code is 1 when fewer than 85 of 100 were noticed."""
    parser = argparse.ArgumentParser(prog="python -m tools.mutants")
    parser.add_argument("--count", type=int, default=100, help="how many faults")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1_000_000), help="which faults")
    parser.add_argument("--jobs", type=int, default=2, help="how many at a time")
    parser.add_argument("--only", default="", help="only in files whose path holds this text")
    parser.add_argument("--list", action="store_true", help="print the faults and try none")
    parser.add_argument("--skip-check", action="store_true", help="do not run the tests without a fault first")
    asked = parser.parse_args()
    candidates = [fault for fault in all_faults() if asked.only in fault.path]
    chosen = drawn(candidates, asked.count, asked.seed)
    print(f"seed {asked.seed}: {len(chosen)} of {len(candidates)} faults", flush=True)
    if asked.list:
        print(*(f"{fault.path}:{fault.line} {fault.kind}\n{diff(fault)}" for fault in chosen), sep="\n")
        return 0
    with tempfile.TemporaryDirectory(prefix="entrepot-mutants-", ignore_cleanup_errors=True) as folder:
        broken = "" if asked.skip_check else Copy(Path(folder) / "sound").sound()
        if broken:
            print(f"the tests fail without any fault, so they can notice none: {broken}", file=sys.stderr)
            return 1
        run = Run(chosen, RESULTS / f"mutants-{asked.seed}.json")
        copies = [Path(folder) / f"copy-{number}" for number in range(asked.jobs)]
        workers = [threading.Thread(target=run.work, args=(copy,), daemon=True) for copy in copies]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    return 0 if report(run.results, asked.seed) else 1


if __name__ == "__main__":
    sys.exit(main())
