"""Asks, once and before anything happens, whether what the tests or benchmarks need may be installed.

Usage: python -m tools.run.consent test|bench

In CI and in a root container nobody is asked. Nothing is asked either when everything is there already.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from tools.run import environment

CONTAINER_MARKS = (Path("/.dockerenv"), Path("/run/.containerenv"))
ABSENT = re.compile(r"^  \S+ +(?:unpack|build) .*$", re.MULTILINE)


def may_install(plan: list[str], variables: Mapping[str, str], *, is_disposable: bool) -> bool:
    """Tell whether the installation may go ahead; the person is asked where there is one."""
    if not plan or is_disposable or variables.get("YES") == "1":
        return True
    print("This needs what is not here yet. It would install:\n", *plan, "", sep="\n", flush=True)
    if not sys.stdin.isatty():
        print("Nobody is here to be asked. To install it, repeat the command with YES=1.", file=sys.stderr)
        return False
    try:
        return input("Install it now? [y/N] ").strip().lower() in {"y", "yes"}
    except EOFError:
        return False


def is_disposable(variables: Mapping[str, str], user: int, marks: Iterable[Path] = CONTAINER_MARKS) -> bool:
    """Tell whether this machine is there only for this run: CI's, or a container in which one is root."""
    if variables.get("CI", "").lower() in {"true", "1"}:
        return True
    # podman and systemd set the variable `container`.
    return user == 0 and ("container" in variables or any(mark.exists() for mark in marks))


def plan_of(group: str) -> list[str]:
    """List what is missing for a group of the testbed, a line each, places included."""
    listed = subprocess.run(
        [sys.executable, "-m", "tools.testbed", "list", "--group", group], stdout=subprocess.PIPE, text=True, check=True
    )
    absent = ABSENT.findall(listed.stdout)
    place = [line for line in listed.stdout.splitlines() if line.startswith("Into ")] if absent else []
    return [*environment.plan("dev"), *place, *absent]


def main() -> int:
    """Ask if need be; the exit code is 1 when it was not allowed."""
    disposable = is_disposable(os.environ, os.geteuid())
    if may_install(plan_of(sys.argv[1]), os.environ, is_disposable=disposable):
        return 0
    print("Nothing was installed.", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
