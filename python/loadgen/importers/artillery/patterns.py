"""Regular expressions of JavaScript's as Python's. Pure."""

from __future__ import annotations

import re
from functools import lru_cache

# What differs, outside of it all else is copied: an escape, a class, a named group, an end, any sign.
_PART = re.compile(
    r"\\k<(?P<back>\w+)>|\\(?P<slash>/)|\\.|\[(?:\\.|[^\]\\])*\]|\(\?<(?P<name>[A-Za-z_$][\w$]*)>|\$|\.",
    re.DOTALL,
)
_IN_CLASS = re.compile(r"\\.|[\[&~|]", re.DOTALL)
_FLAGS = {"i": re.IGNORECASE, "m": re.MULTILINE, "s": re.DOTALL}


def _escaped(match: re.Match[str]) -> str:
    return match[0] if len(match[0]) == 2 else f"\\{match[0]}"


@lru_cache(1024)
def compile_pattern(text: str, flags: str = "") -> re.Pattern[str]:
    """A ValueError says why a pattern cannot be used."""
    found = re.NOFLAG
    for flag in flags:
        found |= _FLAGS.get(flag, re.NOFLAG)
    if "u" not in flags:
        found |= re.ASCII

    def translated(match: re.Match[str]) -> str:
        part = match[0]
        if match["back"]:
            return f"(?P={match['back']})"
        if match["slash"]:
            return "/"
        if match["name"]:
            return f"(?P<{match['name']}>"
        if part == "$":
            return "$" if "m" in flags else r"\Z"
        if part == ".":
            return "." if "s" in flags else r"[^\n\r\u2028\u2029]"
        if part == "[^]":
            return r"[\s\S]"
        # Signs that mean themselves in a class, and to Python may mean more one day.
        return part if part[0] != "[" else f"[{_IN_CLASS.sub(_escaped, part[1:-1])}]"

    try:
        return re.compile(_PART.sub(translated, text), found)
    except re.error as error:
        raise ValueError(f"{text!r} is no regular expression: {error}") from None
