"""`{{name}}` in URLs, headers and bodies, as people write it and as the engine's plan has it.

Names are those of the rows' columns, then what the engine makes: {{k}} {{uuid}} {{random}} {{timestamp}}
{{due_ns}} {{open}}; in messages of sockets also {{connection}}, in some {{reply.PATH}}.
The engine's plan has the number of a column in place of its name, and that of a path: {{0}}, {{reply.0}}.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

import msgspec

from loadgen.units import quoted
from loadgen.url import Url, parse_url

# What the engine makes, and what each is.
GENERATED = {
    "k": "number of the request, from 0",
    "uuid": "a random UUID",
    "random": "a whole number below a thousand million",
    "timestamp": "milliseconds since 1970",
    "due_ns": "when the request was due, on CLOCK_MONOTONIC in ns",
    "open": "{{ itself",
}
# And in messages of sockets.
OF_SOCKETS = {
    "connection": "number of the socket, from 0",
}
_VALUE = re.compile(r"\{\{[ \t]*([^{}\r\n]+?)[ \t]*\}\}")
_VALUE_IN_BYTES = re.compile(rb"\{\{[ \t]*([^{}\r\n]+?)[ \t]*\}\}")
_VALUE_IN_HOST = re.compile(r"(?:[A-Za-z][A-Za-z0-9+.-]*://)?[^/?#]*\{\{")


class Names:
    """The names that may stand between braces; notes which columns are used."""

    def __init__(self, columns: list[str], generated: Iterable[str] = GENERATED) -> None:
        self.columns = columns
        self.generated = list(generated)
        self.used: list[str] = []

    def number(self, text: str) -> str:
        """The text as the engine's plan has it. Raises ValueError for a name that is not known."""
        return _VALUE.sub(lambda found: f"{{{{{self.value(found[1])}}}}}", text)

    def number_body(self, body: bytes) -> bytes:
        """The same; what is no text between braces holds no name."""

        def value(found: re.Match[bytes]) -> bytes:
            try:
                name = found[1].decode()
            except UnicodeDecodeError:
                return found[0]
            return f"{{{{{self.value(name)}}}}}".encode()

        return _VALUE_IN_BYTES.sub(value, body)

    def value(self, name: str) -> str:
        """What the engine's plan has between the braces."""
        if name in self.columns:
            if name not in self.used:
                self.used.append(name)
            return f"{self.used.index(name)}"
        if name in self.generated:
            return name
        known = ", ".join([*self.columns, *self.generated])
        raise ValueError(
            f"{quoted('{{' + name + '}}')} is not known: there are {known} ({{{{open}}}} sends {{{{)"
        )


def has_values(text: str | bytes) -> bool:
    """Whether there is something to be put in."""
    found = _VALUE_IN_BYTES.search(text) if isinstance(text, bytes) else _VALUE.search(text)
    return found is not None


def parse_url_template(text: str) -> Url:
    """A URL whose path and query may hold values; they stay in it as they are."""
    if _VALUE_IN_HOST.match(text):
        raise ValueError(f"the host cannot be a {{{{name}}}}: list the URLs in --targets, got {quoted(text)}")
    values = [found[0] for found in _VALUE.finditer(text)]
    if not values:
        return parse_url(text)
    numbers = iter(range(len(values)))
    mark = "loadgen-value-"
    while mark in text:
        mark += "-"
    url = parse_url(_VALUE.sub(lambda _: f"{mark}{next(numbers)}.", text))
    target = re.sub(rf"{mark}(\d+)\.", lambda found: values[int(found[1])], url.target)
    return msgspec.structs.replace(url, target=target)


def label_of_template(method: str, target: str) -> str:
    """Method and path, with `{name}` for values, without the query."""
    path = _VALUE.sub(lambda found: f"{{{found[1]}}}", target)
    return f"{method} {path.partition('?')[0]}"


def around_values(text: str, encode: Callable[[str], str], *, instead: str | None = None) -> str:
    """The text encoded, but for the values in it; they stay, or something else stands there instead."""
    return "".join(
        (part if instead is None else instead) if is_value else encode(part)
        for part, is_value in _parts(text)
    )


def _parts(text: str) -> Iterator[tuple[str, bool]]:
    end = 0
    for found in _VALUE.finditer(text):
        yield text[end : found.start()], False
        yield found[0], True
        end = found.end()
    yield text[end:], False
