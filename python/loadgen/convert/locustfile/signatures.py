"""The first line of a function: a method of a Locust class as a function of the module."""

from __future__ import annotations

import ast

from loadgen.convert.locustfile.classes import is_text
from loadgen.convert.locustfile.edits import Text
from loadgen.convert.locustfile.scope import Piece, Script


def open_function(script: Script, piece: Piece, text: Text, *, is_scenario: bool) -> None:
    """Its name, its parameters, and its place at the left."""
    node = piece.node
    assert node.end_lineno is not None
    start = text.start(node)
    typed = f"{script.user}: {script.user_type}"
    if piece.is_async and isinstance(node, ast.FunctionDef):
        text.insert(start, "async ")
    at = text.find(node.name, start + len("def "))
    text.replace(at, at + len(node.name.encode()), piece.name)
    opening = text.find("(", at)
    arguments = node.args
    every = [*arguments.args, *arguments.kwonlyargs, *filter(None, [arguments.vararg, arguments.kwarg])]
    if node.name == "__init__" and every:
        end = max(text.end(one) for one in every)
        end = max(
            [end, *(text.end(one) for one in [*arguments.defaults, *filter(None, arguments.kw_defaults)])]
        )
        text.replace(opening + 1, end, typed)
    elif piece.receiver is not None and arguments.args:
        text.put(arguments.args[0], typed)
    elif piece.adds_user:
        text.insert(opening + 1, f"{typed}, " if every else typed)
    if is_scenario and node.returns is None:
        closing = text.find(")", text.end(arguments.args[0])) + 1
        text.insert(closing, " -> None")
    text.dedent(node.lineno, node.end_lineno, node.col_offset)
    first = node.body[0]
    if is_text(first):
        text.dedent_docstring(first, node.col_offset)
    if first.lineno == node.lineno:
        colon = text.bytes.rindex(b":", start, text.start(first))
        text.replace(colon + 1, text.start(first), "\n    ")


def put_first(piece: Piece, text: Text, line: str, pad: str) -> None:
    """A line before all that it does, below a docstring."""
    first = piece.node.body[0]
    if first.lineno == piece.node.lineno:
        text.insert(text.start(first), f"{line}\n{pad}")
        return
    last = text.end(first) if is_text(first) else text.bytes.rindex(b":", 0, _own_line(first, text))
    text.insert(text.starts[text.bytes.count(b"\n", 0, last) + 1], f"{pad}{line}\n")


def _own_line(first: ast.stmt, text: Text) -> int:
    """Of the first statement, or of the comments above it."""
    number = first.lineno
    while text.line(number - 1).lstrip().startswith("#"):
        number -= 1
    return text.starts[number - 1]
