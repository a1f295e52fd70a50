"""House rules that no other tool checks: what a file may mention, and where SQL and transactions may stand.

Usage: python -m tools.house

Every file that git tracks or would track is read. One line per breach is printed; any makes the check fail.
"""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

# The patterns are written so that they do not match themselves.
OUTSIDE = {
    re.compile(rb"\.\./share" rb"d\b"): "mentions a folder outside the project; copy in what is needed, with source and licence",
    re.compile(rb"(?<![\w.])/wor" rb"k/"): "mentions a path of one machine",
}
ADDRESS = re.compile(r"https?:", re.IGNORECASE)
SQL = re.compile(
    r"\s*(?:SELECT\s|INSERT\s+INTO\s|UPDATE\s+\S+\s+SET\s|DELETE\s+FROM\s|WITH\s+\w+\s+AS\s|(?:CREATE|DROP|ALTER)\s+\w+\s)"
)
STATEMENTS = {"select", "insert", "update", "delete", "text"}
SQL_HOME = Path("src/entrepot/platform/db")
DOMAIN = ("entrepot", "domain")


def project_files() -> list[Path]:
    """List the files that git tracks, or would if they were added."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, capture_output=True, check=True).stdout
    paths = (Path(name.decode()) for name in listed.split(b"\0") if name)
    return sorted({path for path in paths if path.is_file() and not path.is_symlink()})


def mentions(path: Path, content: bytes) -> Iterator[str]:
    """Name what a file's bytes mention that the project must not know; its own path counts as well."""
    for number, line in enumerate((bytes(path), *content.split(b"\n"))):
        yield from (f"{path}:{number}: {why}" for pattern, why in OUTSIDE.items() if pattern.search(line))


def addresses(path: Path, content: bytes) -> Iterator[str]:
    """Name the lines of a lock file that hold a download address: pip alone, with any index, must be able to install it."""
    for number, line in enumerate(content.decode().splitlines(), 1):
        if ADDRESS.search(line):
            yield f"{path}:{number}: a lock file names no address (make lock writes none)"


def misplaced(path: Path, tree: ast.Module) -> Iterator[str]:
    """Name SQL outside queries.py and platform/db, transactions outside service and jobs, and queries of another feature."""
    parts = {path.stem, *path.parts}
    is_db = path.is_relative_to(SQL_HOME)
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        where = f"{path}:{getattr(node, 'lineno', 0)}"
        if not is_db and "queries" not in parts and _is_sql(node, docstrings):
            yield f"{where}: SQL stands only in queries.py and platform/db"
        if not is_db and not parts & {"service", "jobs"} and _is_write(node):
            yield f"{where}: db.write is called only in service.py and jobs.py"
        yield from (f"{where}: imports {name}, the queries of another feature" for name in _foreign_queries(path, node))


def _is_sql(node: ast.AST, docstrings: set[int]) -> bool:
    if isinstance(node, ast.ImportFrom):
        return (node.module or "").split(".")[0] == "sqlalchemy" and bool(STATEMENTS & {each.name for each in node.names})
    is_text = isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings
    return is_text and bool(SQL.match(str(getattr(node, "value", ""))))


def _is_write(node: ast.AST) -> bool:
    if not (isinstance(node, ast.Attribute) and node.attr == "write"):
        return False
    owner = node.value
    name = owner.id if isinstance(owner, ast.Name) else getattr(owner, "attr", "")
    return name.strip("_") in {"db", "database"}


def _foreign_queries(path: Path, node: ast.AST) -> Iterator[str]:
    own = path.relative_to("src").with_suffix("").parts
    if isinstance(node, ast.Import):
        imported = [tuple(each.name.split(".")) for each in node.names]
    elif isinstance(node, ast.ImportFrom):
        stem = own[: len(own) - node.level] if node.level else ()
        base = (*stem, *(node.module or "").split("."))
        imported = [(*base, each.name) for each in node.names]
    else:
        return
    for name in imported:
        if name[:2] == DOMAIN and "queries" in name[3:] and own[:3] != name[:3]:
            yield ".".join(name)


def breaches(files: list[Path]) -> Iterator[str]:
    """Give one line for each breach of a house rule in these files, whose paths start at the project's root."""
    for path in files:
        content = path.read_bytes()
        yield from mentions(path, content)
        if path.parent == Path("requirements") and path.suffix == ".txt":
            yield from addresses(path, content)
        if path.suffix == ".py" and path.is_relative_to("src"):
            yield from misplaced(path, ast.parse(content, str(path)))


def main() -> int:
    """Check every file of the project; the exit code is 1 when a rule is broken."""
    found = list(breaches(project_files()))
    print(*found, sep="\n", end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
