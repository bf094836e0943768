"""Headers that a Locust user sets once, in `on_start` and to plain values: they are the plan's."""

from __future__ import annotations

import ast

from loadgen.convert.locustfile.classes import Function, name_of
from loadgen.convert.locustfile.scope import Script


def find_headers(script: Script) -> bool:
    """Whether that was all that is said of headers. Their statements are known to the script then."""
    if len(script.classes.users()) != 1:
        return False
    found: dict[str, str] = {}
    statements: list[ast.stmt] = []
    for group in script.classes.every():
        for name in ("__init__", "on_start"):
            function = group.methods.get(name)
            for node in function.body if isinstance(function, Function) else ():
                pairs = _pairs(node)
                if pairs:
                    found |= pairs
                    statements.append(node)
    every = [node for node in ast.walk(script.tree) if isinstance(node, ast.Attribute) and _is_headers(node)]
    if not found or len(every) != len(statements):
        return False
    script.headers, script.said_once = found, statements
    return True


def _pairs(node: ast.stmt) -> dict[str, str] | None:
    """Of `self.client.headers[…] = …` and `self.client.headers.update({…})`, where all of it stands there."""
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Subscript):
        target = node.targets[0]
        names: list[ast.expr | None] = [target.slice]
        of, values = target.value, [node.value]
    elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and len(node.value.args) == 1:
        called, given = node.value.func, node.value.args[0]
        if (
            not isinstance(called, ast.Attribute)
            or called.attr != "update"
            or not isinstance(given, ast.Dict)
        ):
            return None
        of, names, values = called.value, given.keys, given.values
    else:
        return None
    if not _is_headers(of):
        return None
    found: dict[str, str] = {}
    for name, value in zip(names, values, strict=True):
        for one in (name, value):
            if not isinstance(one, ast.Constant) or not isinstance(one.value, str):
                return None
        found[str(getattr(name, "value", ""))] = str(getattr(value, "value", ""))
    return found


def _is_headers(node: ast.expr) -> bool:
    return isinstance(node, ast.Attribute) and node.attr == "headers" and name_of(node.value) == "client"
