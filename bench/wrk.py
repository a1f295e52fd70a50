"""wrk: many requests over many kept connections, from a list of paths in a random order."""

import json
import random
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.failure import BenchmarkFailed
from bench.images import MANIFEST_TYPE
from bench.scale import CONNECTIONS
from bench.tools import tool

_SCRIPT: Final = Path(__file__).parent / "config/paths.lua"
_CONNECTIONS_PER_THREAD: Final = 16
_SPARE_S: Final = 60
_SEED: Final = 20


@dataclass(frozen=True, slots=True)
class Load:
    """What wrk saw."""

    requests: int
    seconds: float
    longest_ms: float

    @property
    def per_s(self) -> float:
        """Answers a second."""
        return self.requests / self.seconds


def write_paths(file: Path, paths: list[str]) -> Path:
    """Write the paths in a random order that is the same every time."""
    shuffled = random.Random(_SEED).sample(paths, len(paths))
    file.write_text("".join(f"{path}\n" for path in shuffled))
    return file


def run(port: int, paths: Path, seconds: int, *, connections: int = CONNECTIONS) -> Load:
    """Ask for the paths as fast as the server answers.

    Raises:
        BenchmarkFailed: an answer was not 2xx or 3xx, or a connection broke.
    """
    program = tool("wrk")
    options = [
        f"-t{max(1, connections // _CONNECTIONS_PER_THREAD)}",
        f"-c{connections}",
        f"-d{seconds}s",
        "--timeout",
        "20s",
        "-s",
        str(_SCRIPT),
    ]
    command = [str(program.path), *options, f"http://127.0.0.1:{port}", "--", str(paths), MANIFEST_TYPE]
    limit_s = seconds + _SPARE_S
    done = subprocess.run(command, capture_output=True, text=True, timeout=limit_s, env=program.environment, check=False)
    line = next((line for line in done.stdout.splitlines() if line.startswith("RESULT ")), None)
    if line is None:
        raise BenchmarkFailed(f"wrk ended with {done.returncode}: {done.stdout} {done.stderr}")
    result = json.loads(line.removeprefix("RESULT "))
    if result["refused"] or result["broken"] or not result["requests"]:
        raise BenchmarkFailed(f"wrk had answers that are not 2xx, or broken connections: {result}")
    return Load(result["requests"], result["microseconds"] / 1e6, result["longest_us"] / 1e3)
