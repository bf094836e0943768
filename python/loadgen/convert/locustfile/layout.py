"""Calls and f-strings that were made anew, laid out as formatters do."""

from __future__ import annotations

import ast
from dataclasses import dataclass

from loadgen.convert.source import WIDTH


@dataclass(frozen=True)
class LaidCall:
    """A call as it will be written. `exploded` has a comma after its last argument: a line for each."""

    head: str
    parts: list[str]
    comments: list[str]
    exploded: bool

    def laid(self, indent: int, beside: int) -> str:
        """In one line if it fits beside what else is there."""
        flat = f"{self.head}{', '.join(self.parts)})"
        apart = bool(self.comments) or self.exploded
        if not apart and (not self.parts or beside + len(flat.split("\n", maxsplit=1)[0]) <= WIDTH):
            return flat
        inner = " " * (indent + 4)
        lines = [inner + ", ".join(self.parts)]
        if apart or len(lines[0]) > WIDTH or "\n" in lines[0]:
            lines = [inner + one for one in self.comments] + [f"{inner}{part}," for part in self.parts]
        return "\n".join([self.head, *lines, f"{' ' * indent})"])


def is_plain(node: ast.expr) -> bool:
    """Text without values in it."""
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def quoted(node: ast.JoinedStr) -> str:
    """With double quotes around it where that says the same."""
    text = ast.unparse(node)
    swapped = text.translate(str.maketrans("'\"", "\"'"))
    try:
        same = ast.dump(ast.parse(swapped, mode="eval").body) == ast.dump(ast.parse(text, mode="eval").body)
    except SyntaxError:
        return text
    return swapped if same and text.startswith("f'") else text
