"""`make lock`: compiles the lock files in requirements/ from pyproject.toml.

Usage: python -m tools.lock [OPTIONS OF uv pip compile, such as --upgrade]

Without options, what is locked stays at its version as far as pyproject.toml allows. uv is taken from the PATH, or into a
folder of its own for the moment.
"""

import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

COMPILE = ("pip", "compile", "--quiet", "--universal", "--python-version", "3.11", "--generate-hashes")
# No address, so that any index serves; no header, which would name the folder of whoever ran it.
PLAIN = ("--no-emit-index-url", "--no-emit-find-links", "--no-header", "--no-annotate")
RUN, DEV, BUILD = (Path(f"requirements/{name}.txt") for name in ("run", "dev", "build"))


def compile_all(uv: str, options: list[str]) -> None:
    """Write the lock files: to run, to develop, and to make a wheel; what stands in several has the same version in each."""
    base = [uv, *COMPILE, *PLAIN, "pyproject.toml", "--extra", "cluster"]
    subprocess.run([*base, *options, "--group", "dev", "--output-file", DEV], check=True)
    subprocess.run([*base, *options, "--constraint", DEV, "--output-file", RUN], check=True)
    making = [uv, *COMPILE, *PLAIN, "--group", "build"]
    subprocess.run([*making, *options, "--constraint", DEV, "--output-file", BUILD], check=True)


def main() -> int:
    """Compile the lock files with whichever uv is to be had."""
    found = shutil.which("uv")
    if found:
        compile_all(found, sys.argv[1:])
        return 0
    with tempfile.TemporaryDirectory(prefix="entrepot-uv-") as folder:
        venv.create(folder, with_pip=True)
        subprocess.run([f"{folder}/bin/python", "-m", "pip", "install", "--quiet", "uv"], check=True)
        compile_all(f"{folder}/bin/uv", sys.argv[1:])
    return 0


if __name__ == "__main__":
    sys.exit(main())
