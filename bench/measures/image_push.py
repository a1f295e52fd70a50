"""skopeo pushes an image of many small layers that no server has seen."""

import os
import shutil
import subprocess
import time
from typing import Final

from bench.bars import IMAGE_PUSH
from bench.book import CPU_SECONDS, SECONDS, Book, Key
from bench.client import connected
from bench.failure import BenchmarkFailed
from bench.fleet import Fleet
from bench.images import write_layout
from bench.processes import cpu_s
from bench.progress import say
from bench.scale import IMAGE_LAYERS
from bench.servers import ENTREPOT, ON_POSTGRES, REGISTRY, ZOT
from bench.tools import tool

_REPOSITORY: Final = "bench/layers"
_LIMIT_S: Final = 120


def pushes(fleet: Fleet, book: Book) -> None:
    """Push a new image to each server in each round."""
    program = tool("skopeo")
    environment = program.environment | {"TMPDIR": str(fleet.folder)}
    for server in fleet.rounds(fleet.running(ENTREPOT, ON_POSTGRES, REGISTRY, ZOT)):
        layout = fleet.folder / "layout"
        digest = write_layout(layout, "new", IMAGE_LAYERS)
        os.sync()
        address = f"127.0.0.1:{server.port}/{_REPOSITORY}:new"
        options = ["--quiet", "--insecure-policy", "--dest-tls-verify=false"]
        command = [str(program.path), "copy", *options, f"oci:{layout}:new", f"docker://{address}"]
        before, began = cpu_s(server.pid), time.monotonic()
        done = subprocess.run(command, capture_output=True, text=True, timeout=_LIMIT_S, env=environment, check=False)
        seconds = time.monotonic() - began
        if done.returncode:
            raise BenchmarkFailed(f"skopeo could not push to {server.name}: {done.stderr}")
        book.add(Key(IMAGE_PUSH, server.name, SECONDS), seconds)
        book.add(Key(IMAGE_PUSH, server.name, CPU_SECONDS), cpu_s(server.pid) - before)
        with connected(server.port) as client:
            client.manifest(_REPOSITORY, "new").expect(200).must_be(digest)
        shutil.rmtree(layout)
        say(f"{IMAGE_PUSH}: {server.name}: {seconds:.2f} s")
