"""URLs as Node writes them (WHATWG), queries as got does, forms as `URLSearchParams`. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import quote_plus

from loadgen.importers.artillery.values import string_of, text_of
from loadgen.importers.artillery.virtual_user import UNDEFINED, VuFailed

# What is written otherwise than it stands; blanks and what is not ASCII the engine sees to.
_ODD = re.compile(r"""[{}"<>`'\\\s#]""")
_DROPPED = str.maketrans("", "", "\t\r\n")
_IN_PATH = str.maketrans({char: f"%{ord(char):02X}" for char in '{}"<>`'} | {"\\": "/"})
_IN_QUERY = str.maketrans({char: f"%{ord(char):02X}" for char in "\"<>'"})


def checked(url: str) -> str:
    """A URL as it goes out; VuFailed where it is neither a path nor of HTTP."""
    if not url.startswith(("/", "http")):
        raise VuFailed(f"Invalid URL - {url}")
    is_odd = _ODD.search(url) or "/." in url or "/%2" in url or url[-1] == "?"
    return as_node_writes(url) if is_odd else url


def as_node_writes(url: str) -> str:
    """Slashes and no dots in its path, what is odd in it encoded, and nothing for an empty query."""
    head, _, query = url.translate(_DROPPED).partition("#")[0].rstrip().partition("?")
    start = 0 if head.startswith("/") else head.find("/", head.find("://") + 3)
    if start >= 0:
        head = head[:start] + _without_dots(head[start:].translate(_IN_PATH))
    return f"{head}?{query.translate(_IN_QUERY)}" if query else head


def _without_dots(path: str) -> str:
    found: list[str] = []
    segments = path.split("/")[1:]
    for place, segment in enumerate(segments, start=1):
        plain = segment.lower().replace("%2e", ".")
        if plain not in (".", ".."):
            found.append(segment)
            continue
        if plain == "..":
            del found[-1:]
        if place == len(segments):
            found.append("")
    return f"/{'/'.join(found)}"


def sendable(url: str, options: Mapping[str, Any]) -> Mapping[str, Any]:
    """The options by which braces stay what they are: the engine takes them for places of values."""
    return {**options, "_literal": True} if "{" in url else options


def with_query(url: str, query: Any) -> str:
    """`qs` takes the place of a query that the URL has, unless there is nothing in it."""
    text = _joined(_listed(query)) if isinstance(query, Mapping) else text_of(query)
    return f"{url.partition('#')[0].partition('?')[0]}?{text}" if text else url


def form_text(fields: Mapping[str, Any]) -> str:
    """The body of a form."""
    return _joined((name, string_of(value)) for name, value in fields.items())


def _listed(fields: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Of a list each value, of what is no value nothing."""
    for name, value in fields.items():
        for one in value if isinstance(value, list) else [value]:
            yield name, "" if one is None or one is UNDEFINED or isinstance(one, dict) else text_of(one)


def _joined(pairs: Iterable[tuple[str, str]]) -> str:
    return "&".join(f"{_encoded(str(name))}={_encoded(text)}" for name, text in pairs)


def _encoded(text: str) -> str:
    return quote_plus(text, safe="*").replace("~", "%7E")
