"""The sources of an earlier release, from the repository itself."""

import subprocess
from pathlib import Path

from support.instance import as_people_have
from support.tools import PROJECT, missing


def released(commit: str, folder: Path) -> dict[str, str]:
    """Unpack the sources of a commit and return the environment in which `python -m entrepot` is that release.

    It runs with the dependencies of today: that release's own lock may be of other versions.
    """
    packed = subprocess.run(["git", "-C", str(PROJECT), "archive", commit, "src"], capture_output=True, check=False)
    if packed.returncode:
        missing(f"the repository does not hold {commit}: fetch its whole history ({packed.stderr.decode().strip()})")
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["tar", "--extract", "--directory", str(folder)], input=packed.stdout, check=True)
    return as_people_have(PYTHONPATH=str(folder / "src"))
