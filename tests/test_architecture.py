"""Each import contract, broken on purpose in a copy of the sources, is reported by the command that `make check` runs."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Final

import pytest

from support.sources import Sources
from support.tools import PROJECT

# What breaks a contract: the contract's name, the module to break it in, and the forbidden import.
BREACHES: Final = {
    "upwards": ("Tiers", "spec/oci/digest.py", "import entrepot.web.front"),
    "sideways": ("Web surfaces", "web/shared/call.py", "import entrepot.web.v2.wire"),
    "between features": ("Features depend", "domain/access/model.py", "import entrepot.domain.registry.model"),
    "audit and a feature": ("Features depend", "domain/audit/model.py", "import entrepot.domain.accounts.model"),
    "inside a feature": ("Inside a feature", "domain/registry/model.py", "import entrepot.domain.registry.queries.tags"),
    "between platform parts": ("Platform parts", "platform/storage/driver.py", "import entrepot.platform.db.columns"),
    "jobs and another part": ("Jobs use no part", "platform/jobs/engine.py", "import entrepot.platform.storage.driver"),
    "a driver": ("Only the database package", "domain/registry/service/tags.py", "import sqlite3"),
    "an HTTP client": ("Only the package for outgoing HTTP", "domain/registry/service/tags.py", "import http.client"),
    "a client of a store": ("Only the driver for buckets", "domain/registry/service/tags.py", "import aiohttp"),
    "a client of Valkey": ("Only the limits import", "domain/registry/service/tags.py", "import redis"),
    "the library of the index": ("Only the search index", "domain/search/words.py", "import tantivy"),
    "a client of SMTP": ("Only the package for mail", "domain/registry/service/tags.py", "import smtplib"),
    "queries of a feature": ("Queries are used only", "web/v2/tags.py", "import entrepot.domain.registry.queries.tags"),
    "a web framework": ("Below web", "web/v2/tags.py", "import starlette"),
    "a web framework beside the JSON interface": ("Only the JSON interface", "web/front.py", "import fastapi"),
    "templates elsewhere": ("Only the hub writes HTML", "web/front.py", "import jinja2"),
    "one interface and another": ("Web surfaces", "web/api/errors.py", "import entrepot.web.v2.wire"),
    "impure": ("spec and base", "spec/oci/names.py", "import sqlalchemy"),
    "a cycle": ("No cycles", "spec/oci/chunks.py", "import entrepot.spec.http.ranges"),
    "a new part without a tier": ("Tiers", "extra/__init__.py", '"""New."""'),
}


def lint_imports(folder: Path) -> "subprocess.CompletedProcess[str]":
    """Check the contracts of this project against the sources in a folder."""
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-logo", "--no-cache"]
    command += ["--config", str(PROJECT / "pyproject.toml")]
    environment = {**os.environ, "PYTHONPATH": str(folder), "COLUMNS": "300"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_the_contracts_are_kept() -> None:
    done = lint_imports(PROJECT / "src")
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_contract_is_broken_by_one_of_these_tests() -> None:
    tool = tomllib.loads((PROJECT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]
    names = {contract["name"] for contract in tool["contracts"]}
    assert {name for name in names if not any(name.startswith(breach[0]) for breach in BREACHES.values())} == set()


@pytest.mark.parametrize("breach", BREACHES)
def test_a_contract_that_is_broken_is_reported(tmp_path: Path, breach: str) -> None:
    contract, path, code = BREACHES[breach]
    sources = Sources(tmp_path)
    sources.add(path, f"\n{code}\n")
    if breach == "a cycle":
        sources.add("spec/http/ranges.py", "\nimport entrepot.spec.oci.chunks\n")
    done = lint_imports(sources.folder)
    broken = [line for line in done.stdout.splitlines() if line.startswith(contract) and line.endswith("BROKEN")]
    assert done.returncode == 1, done.stdout + done.stderr
    assert broken, done.stdout
