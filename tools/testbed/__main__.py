"""Command line: `python3 -m tools.testbed install|list|check|move-conformance-pin`, from the project's folder."""

import argparse
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from tools.testbed import debian, golang, inventory, pins, roots, sockets
from tools.testbed.places import PROJECT, RELEASES, InstallError, cache, debian_release, locked

_VERSION_FLAGS: Final = {
    "nginx": "-v",
    "wrk": "-v",
    "strace": "-V",
    **dict.fromkeys(("crane", "oras", "regctl", "helm", "caddy", "traefik", "docker-compose"), "version"),
}


def main(arguments: list[str] | None = None) -> int:
    """Run one command; return 0 when it is done and 1 when something is missing."""
    parser = argparse.ArgumentParser(prog="python3 -m tools.testbed", description=__doc__)
    parser.add_argument("command", choices=("install", "list", "check", "move-conformance-pin"))
    parser.add_argument("--group", action="append", choices=(*pins.GROUPS, "all"), help="what to install (default: test)")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="only these packages or Go programs")
    parser.add_argument("--retry", action="store_true", help="ask again for what the module proxy refused within the last day")
    given = parser.parse_args(arguments)
    groups = set(pins.GROUPS if given.group and "all" in given.group else given.group or ["test"])
    chosen = pins.load(debian_release()).chosen(groups, set(given.only))
    try:
        if given.command == "install":
            return install(chosen, retry=given.retry)
        return {"list": show, "check": check, "move-conformance-pin": move_conformance_pin}[given.command](chosen)
    except InstallError as error:
        print(error, file=sys.stderr)
        return 1


def install(chosen: pins.Pins, *, retry: bool) -> int:
    """Install what is missing and write the record of everything; nothing is started."""
    folder = cache()
    with locked(folder):
        before = sockets.listening()
        services = sockets.enabled_services()
        record = inventory.load(folder)
        if retry:
            record.unavailable.clear()
        _install_debian(folder, chosen)
        _install_go(folder, chosen, record)
        _make_roots(folder, chosen)
        lost = record.find(folder, chosen)
        inventory.save(folder, record)
        own = (folder, PROJECT, Path(sys.prefix), Path(sys.base_prefix).resolve())
        started = sockets.started_since(before, except_programs_in=own)
        enabled = sorted(sockets.enabled_services() - services)
    # Another program of the user's may have begun to listen just now, so this is said and not made a failure.
    for listener in started:
        print(f"Note: {listener.program} (process {listener.pid}) began to listen on {listener.address} meanwhile.")
    if lost or enabled:
        raise InstallError(f"missing after the installation: {lost}; services enabled by it: {enabled}")
    return _summary(folder, chosen, record)


def show(chosen: pins.Pins) -> int:
    """Say what an installation would bring and what is there already."""
    folder = cache()
    record = inventory.load(folder)
    absent = {package.name for package in debian.missing(folder, chosen.debian)}
    print(f"Into {folder} (nothing is started or enabled):")
    for package in chosen.debian:
        state = "unpack from Debian, with the libraries it needs" if package.name in absent else "present"
        print(f"  {package.name:16} {state}")
    for root in chosen.roots if _can_unpack() else ():
        state = (
            "present" if roots.archive(folder, root).exists() else "unpack from Debian, with all that it needs, for containers"
        )
        print(f"  {root.name:16} {state}")
    for program in chosen.go:
        refused = record.unavailable.get(program.name)
        state = f"unavailable: {refused['reason']}" if refused else "build with Go"
        state = "present" if golang.binary(folder, program).exists() else state
        print(f"  {program.name:16} {state}  ({program.module} {program.version})")
        print()
    return 0


def check(chosen: pins.Pins) -> int:
    """Run each program once to see that it starts here; say which do not."""
    folder = cache()
    record = inventory.load(folder)
    lost = record.find(folder, chosen)
    for name, entry in sorted(record.programs.items()):
        if name == "conformance":
            # It has no version flag: any argument would start the whole suite.
            continue
        flags = [_VERSION_FLAGS.get(name, "--version")]
        done = subprocess.run(
            [entry["path"], *flags], capture_output=True, text=True, check=False, env=entry["environment"] or None
        )
        told = (done.stdout or done.stderr).strip().splitlines()
        print(f"  {name:16} {told[0] if told else '?'}")
        # wrk ends with 1 after saying its version.
        if done.returncode and name != "wrk":
            lost.append(name)
    for name, refused in sorted(record.unavailable.items()):
        print(f"  {name:16} unavailable: {refused['reason']}")
    if lost:
        print(f"Missing or not running here: {', '.join(lost)}", file=sys.stderr)
    return 1 if lost else 0


def move_conformance_pin(_: pins.Pins) -> int:
    """Pin the conformance suite to the newest commit of its main branch that the module proxy knows."""
    everything = pins.load(debian_release())
    suite = next(program for program in everything.go if program.name == "conformance")
    try:
        version = golang.newest(golang.find_go(cache(), everything), suite.module)
    except golang.ProxyRefusalError as error:
        raise InstallError(f"the module proxy does not say what is newest: {error}") from None
    pins.move(suite.name, version)
    print(f"{suite.name}: {suite.version} -> {version}")
    return 0


def _install_debian(folder: Path, chosen: pins.Pins) -> None:
    absent = debian.missing(folder, chosen.debian)
    if not absent:
        return
    if not _can_unpack():
        names = sorted({name for package in absent for name in package.programs if debian.program(folder, package, name) is None})
        here = f"Only Debian {' and '.join(RELEASES)} are set up by themselves."
        raise InstallError(f"{here} Missing here, to be installed by hand: {', '.join(names)}")
    debian.unpack(folder, absent)


def _install_go(folder: Path, chosen: pins.Pins, record: inventory.Inventory) -> None:
    absent = [
        program
        for program in chosen.go
        if not golang.binary(folder, program).exists() and not record.refused_lately(program.name, program.version)
    ]
    if not absent:
        return
    go = golang.find_go(folder, chosen)
    for program in absent:
        try:
            golang.build(folder, go, program)
        except golang.ProxyRefusalError as error:
            record.refused(program.name, program.version, str(error))


def _make_roots(folder: Path, chosen: pins.Pins) -> None:
    # Elsewhere the tests that need them are left out.
    if _can_unpack():
        for root in chosen.roots:
            roots.make(folder, root)


def _can_unpack() -> bool:
    return bool(debian_release() and shutil.which("apt-get") and shutil.which("dpkg-deb"))


def _summary(folder: Path, chosen: pins.Pins, record: inventory.Inventory) -> int:
    refused = [program.name for program in chosen.go if program.name in record.unavailable]
    for name in refused:
        print(
            f"The Go module proxy did not give {name} {record.unavailable[name]['version']}: {record.unavailable[name]['reason']}"
        )
    print(f"The tools are in {folder}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
