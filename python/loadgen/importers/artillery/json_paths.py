"""JSONPath as jsonpath-plus reads it. Plain paths, which most are, are followed here; others by a library."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypeAlias

Query: TypeAlias = Callable[[Any], list[Any]]

_PLAIN = re.compile(r"""\$?(?:\.?[A-Za-z_][\w-]*|\.\d+|\[\d+\]|\['[^'\]]+'\]|\["[^"\]]+"\])*""", re.ASCII)
_NAME = re.compile(r"""\.?([A-Za-z_][\w-]*)|\.(\d+)|\[(\d+)\]|\['([^'\]]+)'\]|\["([^"\]]+)"\]""", re.ASCII)


@lru_cache(1024)
def compile_path(path: str) -> Query:
    """All that a path finds, in order. A ValueError says why it cannot be read."""
    if _PLAIN.fullmatch(path):
        return _plain(path)
    import jsonpath

    text, takes_length = path, False
    if text.endswith(".length"):
        text, takes_length = text.removesuffix(".length"), True
    # What its expressions have of JavaScript's, in the words of the standard.
    text = text.replace("===", "==").replace("!==", "!=")
    text = re.sub(r"\[\(@\.length\s*-\s*(\d+)\)\]", r"[-\1]", text)
    try:
        compiled = jsonpath.compile(text if text.startswith("$") else f"$.{text.lstrip('.')}")
    except jsonpath.JSONPathError as error:
        raise ValueError(f"{path!r} is no JSONPath: {str(error).splitlines()[0]}") from None

    def query(document: Any) -> list[Any]:
        try:
            found = compiled.findall(document)
        except jsonpath.JSONPathError:
            return []
        return [len(one) for one in found if isinstance(one, list)] if takes_length else list(found)

    return query


def _plain(path: str) -> Query:
    parts = _NAME.findall(path.removeprefix("$"))
    names = [next(part for part in found if part) for found in parts]

    def query(value: Any) -> list[Any]:
        for name in names:
            if isinstance(value, dict):
                if name not in value:
                    return []
                value = value[name]
            elif isinstance(value, list) and name.isdecimal() and int(name) < len(value):
                value = value[int(name)]
            elif isinstance(value, list) and name == "length":
                value = len(value)
            else:
                return []
        return [value]

    return query
