"""Every small fault that could be made in a file: where, what instead, and of which kind.

Text for people is left alone: docstrings, log lines, messages of errors and assertions, annotations.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

Function = ast.FunctionDef | ast.AsyncFunctionDef
_COMPARISONS: Final[dict[type[ast.cmpop], type[ast.cmpop]]] = {
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
_ARITHMETIC: Final[dict[type[ast.operator], type[ast.operator]]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.FloorDiv: ast.Mult,
    ast.LShift: ast.RShift,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
}
# Whatever order their arguments stand in, they mean the same.
_ORDERLESS: Final = {"where", "and_", "or_"}
# Links of a chain that can be left out without the rest falling apart.
_LINKS: Final = {
    "where",
    "order_by",
    "limit",
    "with_for_update",
    "strip",
    "lower",
    "partition",
    "desc",
    "values",
    "is_not",
    "is_",
}
# Markers for the reader, the type checker and the linter: changing them changes nothing.
_UNSEEN_CALLS: Final = {"TypeVar", "ParamSpec", "debug", "info", "warning", "error", "log", "exception"}


@dataclass(frozen=True)
class Fault:
    """One fault: characters `start` to `end` of the file become `instead`; `line` counts from 1."""

    path: str
    line: int
    start: int
    end: int
    instead: str
    kind: str
    function: str

    @property
    def name(self) -> str:
        """What tells it apart from all others."""
        return f"{self.path}:{self.line}:{self.start}:{self.kind}:{self.instead}"

    def plant(self, text: str) -> str:
        """Return the file's text with the fault in it."""
        return text[: self.start] + self.instead + text[self.end :]


def faults(path: Path, root: Path) -> list[Fault]:
    """List the faults that could be made in a file, of which none is the program as it is."""
    text = path.read_text("utf-8")
    found = _Finder(text, str(path.relative_to(root)))
    found.visit(ast.parse(text))
    return found.faults


class _Finder(ast.NodeVisitor):
    """Walks a file with the name of the function that it is in."""

    def __init__(self, text: str, path: str) -> None:
        self.faults: list[Fault] = []
        self._text = text
        self._path = path
        self._within = ["(module)"]
        self._starts = [0]
        for line in text.encode().splitlines(keepends=True):
            self._starts.append(self._starts[-1] + len(line))

    def visit(self, node: ast.AST) -> None:
        if isinstance(node, Function | ast.ClassDef):
            self._within.append(node.name)
            for part in (*node.body, *(node.args.defaults if isinstance(node, Function) else ())):
                self.visit(part)
            self._within.pop()
            return
        if _unseen(node):
            return
        for kind, place, instead in _changes(node):
            self._add(kind, place, instead)
        for part in _parts(node):
            self.visit(part)

    def _add(self, kind: str, node: ast.expr | ast.stmt, instead: str) -> None:
        start = self._place(node.lineno, node.col_offset)
        end = self._place(node.end_lineno or node.lineno, node.end_col_offset or node.col_offset)
        if self._text[start:end] != instead:
            function = ".".join(self._within[1:]) or f"line {node.lineno}"
            self.faults.append(Fault(self._path, node.lineno, start, end, instead, kind, function))

    def _place(self, line: int, column: int) -> int:
        # Python counts columns in bytes.
        return len(self._text.encode()[: self._starts[line - 1] + column].decode())


def _parts(node: ast.AST) -> Iterator[ast.AST]:
    if isinstance(node, ast.AnnAssign):
        return iter([node.value] if node.value else [])
    if isinstance(node, ast.Raise):
        return iter(())  # what it says is for people
    if isinstance(node, ast.Call):
        return iter([node.func, *node.args, *(each.value for each in node.keywords)])
    return ast.iter_child_nodes(node)


def _unseen(node: ast.AST) -> bool:
    """Tell whether the node is only for people, or for the type checker."""
    if isinstance(node, ast.Import | ast.ImportFrom | ast.Assert | ast.JoinedStr):
        return True
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return True
    if isinstance(node, ast.Assign):
        return any(isinstance(each, ast.Name) and each.id in ("summary", "__all__") for each in node.targets)
    call = node.value if isinstance(node, ast.Expr) else node
    if not isinstance(call, ast.Call):
        return False
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    return name in _UNSEEN_CALLS


def _changes(node: ast.AST) -> Iterator[tuple[str, ast.expr | ast.stmt, str]]:
    """Give the kind of each fault, the node that it replaces, and the code instead."""
    if isinstance(node, ast.expr):
        yield from _of_expression(node)
    elif isinstance(node, ast.stmt):
        yield from _of_statement(node)


def _of_statement(node: ast.stmt) -> Iterator[tuple[str, ast.expr | ast.stmt, str]]:
    if isinstance(node, ast.If | ast.While):
        yield "condition negated", node.test, f"(not ({ast.unparse(node.test)}))"
    if isinstance(node, ast.Return) and node.value is not None and not _is_none(node.value):
        yield "returns None", node, "return None"
    if isinstance(node, ast.Raise | ast.AugAssign | ast.Delete):
        yield "statement removed", node, "pass"
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call | ast.Await):
        yield "call removed", node, "pass"
    if isinstance(node, ast.Continue | ast.Break):
        yield "jump changed", node, "break" if isinstance(node, ast.Continue) else "continue"


def _of_expression(node: ast.expr) -> Iterator[tuple[str, ast.expr | ast.stmt, str]]:
    if isinstance(node, ast.Compare) and type(node.ops[0]) in _COMPARISONS:
        swapped = ast.Compare(node.left, [_COMPARISONS[type(node.ops[0])](), *node.ops[1:]], node.comparators)
        yield "comparison swapped", node, f"({ast.unparse(swapped)})"
    if isinstance(node, ast.BoolOp):
        other = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        yield "and/or swapped", node, f"({ast.unparse(ast.BoolOp(other, node.values))})"
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield "not removed", node, f"({ast.unparse(node.operand)})"
    if isinstance(node, ast.BinOp) and type(node.op) in _ARITHMETIC:
        changed = ast.BinOp(node.left, _ARITHMETIC[type(node.op)](), node.right)
        yield "operator swapped", node, f"({ast.unparse(changed)})"
    if isinstance(node, ast.IfExp):
        yield "condition negated", node.test, f"(not ({ast.unparse(node.test)}))"
    if isinstance(node, ast.Await):
        yield "await removed", node, f"({ast.unparse(node.value)})"
    if isinstance(node, ast.Constant):
        yield from _of_constant(node)
    if isinstance(node, ast.Call):
        yield from _of_call(node)


def _of_constant(node: ast.Constant) -> Iterator[tuple[str, ast.expr | ast.stmt, str]]:
    if isinstance(node.value, bool):
        yield "constant changed", node, str(not node.value)
    elif isinstance(node.value, int):
        yield "off by one", node, str(node.value + 1)
    elif isinstance(node.value, str | bytes) and node.value:
        yield "constant changed", node, repr(node.value[:-1])


def _of_call(node: ast.Call) -> Iterator[tuple[str, ast.expr | ast.stmt, str]]:
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    swappable = len(node.args) > 1 and name not in _ORDERLESS
    if swappable and not any(isinstance(each, ast.Starred) for each in node.args[:2]):
        swapped = ast.Call(node.func, [node.args[1], node.args[0], *node.args[2:]], node.keywords)
        yield "arguments swapped", node, ast.unparse(swapped)
    if isinstance(node.func, ast.Attribute) and node.func.attr in _LINKS:
        yield "call removed", node, ast.unparse(node.func.value)


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None
