"""Texts with expressions in them, and JSONPaths, as Python writes them."""

from __future__ import annotations

import re

from loadgen.convert.source import Code, quoted

_PLAIN = re.compile(r"""\$?(?:\.?[A-Za-z_][\w-]*|\[\d+\]|\['[^'\]]+'\]|\["[^"\]]+"\])*""", re.ASCII)
_NAME = re.compile(r"""\.?([A-Za-z_][\w-]*)|\[(\d+)\]|\['([^'\]]+)'\]|\["([^"\]]+)"\]""", re.ASCII)


def formatted(pieces: list[tuple[str, str | None]]) -> Code:
    """Texts with an expression behind each, the last without one, as one f-string."""
    codes = [code.replace('"', "'") for _, code in pieces if code is not None]
    bare = "".join(text for text, _ in pieces)
    has_quotes = any("'" in code for code in codes)
    if '"' in bare and (has_quotes or "'" in bare):
        parts = []
        for text, code in pieces:
            parts += [quoted(text)] if text else []
            parts += [f"str({code})"] if code is not None else []
        return Code(" + ".join(parts))
    mark = "'" if '"' in bare else '"'
    made = ""
    for text, code in pieces:
        made += repr(f'{text}"')[1:-2].replace("\\'", "'").replace("{", "{{").replace("}", "}}")
        if code is not None:
            made += f"{{{code.replace(chr(34), chr(39))}}}"
    return Code(f"f{mark}{made}{mark}")


def taken_from_json(path: str) -> str | None:
    """`$.items[0].id` as code that follows it; None where it is more than a plain path."""
    head, star, tail = path.partition("[*]")
    if star:
        inner, found = steps_of(head.removeprefix("$")), steps_of(tail)
        if inner is None or not found:
            return None
        items = "".join(f"[{one}]" for one in inner)
        picked = "".join(f"[{one}]" for one in found)
        return f"user.rng.choice(response.json(){items}){picked}"
    steps = steps_of(path.removeprefix("$"))
    if steps is None:
        return None
    if steps and steps[-1] == '"length"':
        return f"len(response.json(){''.join(f'[{one}]' for one in steps[:-1])})"
    return "response.json()" + "".join(f"[{one}]" for one in steps)


def steps_of(path: str) -> list[str] | None:
    """Subscripts, as Python writes them."""
    if not _PLAIN.fullmatch(path):
        return None
    return [number or quoted(name or one or other) for name, number, one, other in _NAME.findall(path)]
