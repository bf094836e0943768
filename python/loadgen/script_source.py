"""What the text of a script shows before it runs: mistakes that Python itself lets pass. Executes nothing."""

from __future__ import annotations

import ast
from collections.abc import Iterator

_REQUESTS = frozenset({"get", "post", "put", "patch", "delete", "head", "options", "request", "pause"})
_Function = ast.FunctionDef | ast.AsyncFunctionDef


def twice_defined(tree: ast.Module) -> Iterator[tuple[str, int, int]]:
    """(name, line, line of the first) of decorated functions that replace one another without a word."""
    first: dict[str, int] = {}
    for node in _functions(tree):
        if not {"scenario", "session", "once"}.isdisjoint(_decorators(node)):
            if node.name in first:
                yield node.name, node.lineno, first[node.name]
            first.setdefault(node.name, node.lineno)


def undecorated(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """(name, line) of functions that look like scenarios but are marked as nothing."""
    for node in _functions(tree):
        if isinstance(node, ast.AsyncFunctionDef) and not node.decorator_list and _user_of(node):
            yield node.name, node.lineno


def not_awaited(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """(call, line) where a request is made and its answer not waited for: it would never be sent."""
    for function in ast.walk(tree):
        user = _user_of(function) if isinstance(function, ast.AsyncFunctionDef) else None
        for node in ast.walk(function) if user else ():
            if not isinstance(node, ast.Expr) or not isinstance(node.value, ast.Call):
                continue
            called = node.value.func
            if (
                isinstance(called, ast.Attribute)
                and called.attr in _REQUESTS
                and isinstance(called.value, ast.Name)
                and called.value.id == user
            ):
                yield f"{user}.{called.attr}(…)", node.lineno


def enclosing_def(source: str, line: int) -> str | None:
    """The name of the plain function that holds a line, in a text that need not be sound."""
    lines = source.splitlines()
    if not 0 < line <= len(lines):
        return None
    indent = _indent(lines[line - 1])
    for text in reversed(lines[: line - 1]):
        if text.strip() and _indent(text) < indent:
            indent = _indent(text)
            if text.lstrip().startswith("def "):
                return text.lstrip()[4:].partition("(")[0].strip()
    return None


def _indent(text: str) -> int:
    return len(text) - len(text.lstrip())


def _functions(tree: ast.Module) -> Iterator[_Function]:
    return (node for node in tree.body if isinstance(node, _Function))


def _decorators(node: _Function) -> Iterator[str]:
    for decorator in node.decorator_list:
        called = decorator.func if isinstance(decorator, ast.Call) else decorator
        yield called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")


def _user_of(node: ast.AsyncFunctionDef) -> str | None:
    """What the function calls its user, if it is given one."""
    parameters = [*node.args.posonlyargs, *node.args.args]
    if not parameters:
        return None
    annotation = parameters[0].annotation
    named = ast.unparse(annotation).strip("'\"").rpartition(".")[2] if annotation else ""
    return parameters[0].arg if named == "User" or parameters[0].arg == "user" else None
