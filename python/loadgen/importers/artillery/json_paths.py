"""JSONPath as jsonpath-plus reads it. Plain paths, which most are, are followed here; others by a library."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple


class Query(NamedTuple):
    """A path: all that it finds, in order; and whether that is one value at most, as it is written."""

    find: Callable[[Any], list[Any]]
    is_of_one: bool


_PLAIN = re.compile(r"""\$?(?:\.?[A-Za-z_][\w-]*|\.\d+|\[\d+\]|\['[^'\]]+'\]|\["[^"\]]+"\])*""", re.ASCII)
_NAME = re.compile(r"""\.?([A-Za-z_][\w-]*)|\.(\d+)|\[(\d+)\]|\['([^'\]]+)'\]|\["([^"\]]+)"\]""", re.ASCII)


@lru_cache(1024)
def compile_path(path: str) -> Query:
    """A ValueError says why it cannot be read."""
    if _PLAIN.fullmatch(path):
        return Query(_plain(path), is_of_one=True)
    import jsonpath

    text, takes_length = path, False
    if text.endswith(".length"):
        text, takes_length = text.removesuffix(".length"), True
    # What its expressions have of JavaScript's, in the words of the standard.
    text = text.replace("===", "==").replace("!==", "!=")
    text = re.sub(r"\[\(@\.length\s*-\s*(\d+)\)\]", r"[-\1]", text)
    text = re.sub(r"(@(?:\.\w+|\[\d+\])*?)\.length\b", r"length(\1)", text)
    try:
        compiled = jsonpath.compile(text if text.startswith("$") else f"$.{text.lstrip('.')}")
    except jsonpath.JSONPathError as error:
        raise ValueError(f"{path!r} is no JSONPath: {str(error).splitlines()[0]}") from None

    def find(document: Any) -> list[Any]:
        try:
            found = compiled.findall(document)
        except jsonpath.JSONPathError:
            return []
        return [len(one) for one in found if isinstance(one, (list, str))] if takes_length else list(found)

    return Query(find, isinstance(compiled, jsonpath.JSONPath) and compiled.singular_query())


def _plain(path: str) -> Callable[[Any], list[Any]]:
    parts = _NAME.findall(path.removeprefix("$"))
    names = [next(part for part in found if part) for found in parts]

    def find(value: Any) -> list[Any]:
        for name in names:
            if isinstance(value, dict):
                if name not in value:
                    return []
                value = value[name]
            elif isinstance(value, (list, str)) and name.isdecimal() and int(name) < len(value):
                value = value[int(name)]
            elif isinstance(value, (list, str)) and name == "length":
                value = len(value)
            else:
                return []
        return [value]

    return find
