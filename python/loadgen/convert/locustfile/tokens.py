"""What a text of Python is made of where its tree does not tell: tabs, lines inside of strings, comments."""

from __future__ import annotations

import ast
import io
import tokenize


def spaced(text: str) -> str:
    """With spaces where lines begin with tabs, unless that changes what it says."""
    if "\t" not in text:
        return text
    tree = ast.dump(ast.parse(text))
    inside, _ = tokens(text)
    for width in (4, 8):
        lines = []
        for number, line in enumerate(text.split("\n"), 1):
            bare = line if number in inside else line.lstrip(" \t")
            lines.append(line[: len(line) - len(bare)].expandtabs(width) + bare)
        try:
            if ast.dump(ast.parse("\n".join(lines))) == tree:
                return "\n".join(lines)
        except SyntaxError:
            continue
    return text


def tokens(text: str) -> tuple[set[int], dict[int, str]]:
    """Lines that begin inside a string, and comments by their lines."""
    inside: set[int] = set()
    comments: dict[int, str] = {}
    opened: list[int] = []
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        name = tokenize.tok_name[token.type]
        if name == "STRING":
            inside.update(range(token.start[0] + 1, token.end[0] + 1))
        elif name == "FSTRING_START":
            opened.append(token.start[0])
        elif name == "FSTRING_END":
            inside.update(range(opened.pop() + 1, token.end[0] + 1))
        elif name == "COMMENT":
            comments[token.start[0]] = token.string
    return inside, comments
