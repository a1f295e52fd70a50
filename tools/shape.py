"""The shape of the code in figures, and the limits it must keep.

Usage: python -m tools.shape [--check]

Without an option it prints the figures; with --check it prints only what is over a limit and fails if there is any.
"""

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path
from statistics import median

MAX_FILE_LINES = 400
WARN_FILE_LINES = 300
MAX_FUNCTION_LINES = 50
MAX_TEST_LINES = 40
ROOTS = ("src", "tests", "tools", "bench")
Function = ast.FunctionDef | ast.AsyncFunctionDef
DOUBLES = re.compile(r"\b(?:mock\.|Mock\(|MagicMock|monkeypatch|@patch|mocker\.)")
WAIVERS = re.compile(r"#\s*(?:noqa|type:\s*ignore)")


@dataclass(frozen=True)
class Module:
    """One Python file, read and parsed."""

    path: Path
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        """The syntax tree."""
        return ast.parse(self.text, str(self.path))

    @property
    def lines(self) -> int:
        """The number of lines, blank ones and comments included."""
        return len(self.text.splitlines())

    def functions(self) -> Iterator[Function]:
        """Give every function and method, nested ones too."""
        return (node for node in ast.walk(self.tree) if isinstance(node, Function))


def modules(folder: Path) -> list[Module]:
    """Read the Python files below a folder that hold anything, in byte order of their paths."""
    found = (Module(path, path.read_text()) for path in sorted(folder.rglob("*.py")))
    return [module for module in found if module.text.strip()]


def length(function: Function) -> int:
    """Return how many lines a function takes, from `def` to its end."""
    return (function.end_lineno or function.lineno) - function.lineno + 1


def excesses(code: list[Module]) -> Iterator[str]:
    """Name every file and function that is over its limit."""
    for module in code:
        if module.lines > MAX_FILE_LINES:
            yield f"{module.path}: {module.lines} lines, at most {MAX_FILE_LINES}: make it a folder of the same name and exports"
        for function in module.functions():
            is_test = function.name.startswith("test_") and module.path.name.startswith("test_")
            most = MAX_TEST_LINES if is_test else MAX_FUNCTION_LINES
            if length(function) > most:
                yield f"{module.path}:{function.lineno}: {function.name} has {length(function)} lines, at most {most}"


def without_tests(src: list[Module], tests: list[Module]) -> list[str]:
    """List the modules with functions that no test file mirrors by path; to be a choice, not an oversight."""
    mirrored = {module.path.with_name(module.path.name.removeprefix("test_")).relative_to("tests") for module in tests}
    paths = {module.path.relative_to("src/entrepot") for module in src if next(module.functions(), None)}
    return sorted(map(str, paths - mirrored))


def is_broad(node: ast.AST) -> bool:
    """Tell whether a node catches everything: a bare except, Exception or BaseException."""
    kind = node.type if isinstance(node, ast.ExceptHandler) else None
    named_broadly = isinstance(kind, ast.Name) and kind.id in {"Exception", "BaseException"}
    return isinstance(node, ast.ExceptHandler) and (kind is None or named_broadly)


def share(part: int, whole: int) -> str:
    """Return a percentage."""
    return f"{100 * part / whole:.0f} %" if whole else "-"


def figures(src: list[Module], tests: list[Module]) -> Iterator[tuple[str, object]]:
    """Give the figures by which the shape is followed over time, each with its name."""
    sizes = {str(module.path): module.lines for module in src}
    test_lines = sum(module.lines for module in tests)
    functions = [(length(each), f"{module.path}:{each.name}") for module in src for each in module.functions()]
    public = [each for module in src for each in module.functions() if not each.name.startswith("_")]
    longest_file, longest_function = max(sizes, key=sizes.__getitem__), max(functions)
    yield "source files, lines", f"{len(src)}, {sum(sizes.values())}"
    yield "file, median and longest", f"{median(sizes.values()):.0f}, {sizes[longest_file]} ({longest_file})"
    yield "function, median and longest", f"{median(n for n, _ in functions):.0f}, {longest_function[0]} ({longest_function[1]})"
    yield f"files over {WARN_FILE_LINES} lines", sorted(path for path, lines in sizes.items() if lines > WARN_FILE_LINES)
    yield "public functions with a docstring", share(sum(bool(ast.get_docstring(each)) for each in public), len(public))
    yield "modules with a docstring", share(sum(bool(ast.get_docstring(module.tree)) for module in src), len(src))
    yield "test lines per source line", f"{test_lines / sum(sizes.values()):.2f}"
    doubles = sum(len(DOUBLES.findall(module.text)) for module in tests)
    yield "doubles per 1,000 test lines", f"{1000 * doubles / max(test_lines, 1):.1f}"
    yield "broad or bare excepts", sum(is_broad(node) for module in src for node in ast.walk(module.tree))
    yield "waivers (lint or types)", sum(len(WAIVERS.findall(module.text)) for module in chain(src, tests))
    yield "modules with functions and no test file of the same path", without_tests(src, tests)


def main() -> int:
    """Print the figures, or with --check what is over a limit."""
    if "--check" in sys.argv[1:]:
        found = list(excesses([module for root in ROOTS for module in modules(Path(root))]))
        print(*found, sep="\n", end="\n" if found else "")
        return 1 if found else 0
    for name, value in figures(modules(Path("src")), modules(Path("tests"))):
        print(f"{name}: {value}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
