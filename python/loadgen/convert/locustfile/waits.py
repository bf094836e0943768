"""How long a Locust user waits between its tasks, as a line at the end of a scenario."""

from __future__ import annotations

import ast
from dataclasses import dataclass

from loadgen.convert.locustfile.classes import Function, Group, name_of
from loadgen.convert.locustfile.edits import Text
from loadgen.convert.locustfile.functions import Rewriter
from loadgen.convert.locustfile.scope import Piece, Script


@dataclass(frozen=True)
class Wait:
    """`call` is awaited at the end; `before` stands at the beginning."""

    call: str
    before: str | None = None


def wait_of(script: Script, path: list[Group], text: Text) -> Wait | None:
    """Of the first in a path of sets, the innermost first, that says anything."""
    for group in path:
        method = group.method("wait_time")
        if method is not None and (piece := script.pieces.get(method[1])) is not None:
            called = f"{piece.name}({script.user})"
            return Wait(f"{script.user}.pause({f'await {called}' if piece.is_async else called})")
        value = group.value("wait_time")
        if value is not None:
            return _read(script, value, group, text)
    return None


def _read(script: Script, value: ast.expr, group: Group, text: Text) -> Wait | None:
    user = script.user
    if isinstance(value, ast.Lambda):
        receiver = value.args.args[0].arg if value.args.args else None
        piece = Piece(_as_function(value), group, "", receiver)
        rewriter = Rewriter(script, piece, Text(ast.unparse(value.body)))
        return Wait(
            f"{user}.pause({rewriter.expression(ast.parse(ast.unparse(value.body), mode='eval').body)})"
        )
    if not isinstance(value, ast.Call):
        script.note(f"{group.name}.wait_time was left out: {ast.unparse(value)}")
        return None
    kind = name_of(value.func)
    given = [text.of(one) for one in value.args] + [text.of(word.value) for word in value.keywords]
    if kind in ("constant", "between"):
        is_none = all(isinstance(one, ast.Constant) and one.value == 0 for one in value.args)
        if kind == "between" and len(given) == 2 and given[0] == given[1]:
            given = given[:1]
        return None if is_none else Wait(f"{user}.pause({', '.join(given)})")
    if kind in ("constant_pacing", "constant_throughput"):
        seconds = given[0] if kind == "constant_pacing" else f"1 / {given[0]}"
        return Wait(
            f"{user}.pause(max(0.0, {seconds} - (time.monotonic() - begun_s)))", "begun_s = time.monotonic()"
        )
    script.note(f"{group.name}.wait_time was left out: {ast.unparse(value)}")
    return None


def _as_function(value: ast.Lambda) -> Function:
    function = ast.parse("def wait(): pass").body[0]
    assert isinstance(function, ast.FunctionDef)
    function.args = value.args
    return function
