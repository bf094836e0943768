"""Lays Python expressions out in lines, the way formatters leave them. It knows nothing of requests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

WIDTH = 88
SPREAD = object()  # the value of a key that is `**mapping`
_STEP = 4


@dataclass(frozen=True)
class Code:
    """An expression as it is."""

    text: str


@dataclass(frozen=True)
class Lines:
    """A text of many lines, written as such; nothing else is in its statement."""

    text: str


@dataclass(frozen=True)
class Invoke:
    """A call of something, with its arguments in order."""

    name: str
    given: tuple[object, ...] = ()
    named: tuple[tuple[str, object], ...] = ()


def lay(before: str, node: object, after: str = "", indent: int = 0) -> list[str]:
    """The lines of `before`, the expression and `after`: one if that fits, else an item to a line."""
    if isinstance(node, Lines):
        text = node.text.replace("\\", "\\\\")
        return [f'{before}"""\\', *f'{text}"""'.split("\n")]
    line = f"{' ' * indent}{before}{flat(node)}{after}"
    parts = _parts(node)
    if len(line) <= WIDTH or parts is None:
        return [line]
    opening, items, closing = parts
    lines = [f"{' ' * indent}{before}{opening}"]
    for name, item in items:
        lines += lay(name, item, ",", indent + _STEP)
    return [*lines, f"{' ' * indent}{closing}{after}"]


def flat(node: object) -> str:
    """An expression in one line."""
    if isinstance(node, Code):
        return node.text
    if isinstance(node, (str, bytes)):
        return quoted(node)
    parts = _parts(node)
    if parts is None:
        return repr(node)
    opening, items, closing = parts
    inner = ", ".join(f"{name}{flat(item)}" for name, item in items)
    comma = "," if closing == ")" and opening == "(" and len(items) == 1 else ""
    return f"{opening}{inner}{comma}{closing}"


def quoted(text: str | bytes) -> str:
    """Between double quotes, unless others save an escape."""
    start, body = ("b", repr(text)[2:-1]) if isinstance(text, bytes) else ("", repr(text)[1:-1])
    bare = body.replace("\\'", "'").replace('\\"', '"')
    if bare.count('"') > bare.count("'"):
        return (
            f"{start}'{bare}'".replace(bare, bare.replace("'", "\\'")) if "'" in bare else f"{start}'{bare}'"
        )
    return f'{start}"{bare.replace(chr(34), chr(92) + chr(34))}"'


def _parts(node: object) -> tuple[str, list[tuple[str, object]], str] | None:
    """What stands before, the items with what stands before each, and what closes; None where it has none."""
    if isinstance(node, Invoke):
        given = [("", one) for one in node.given]
        return f"{node.name}(", given + [(f"{name}=", one) for name, one in node.named], ")"
    if isinstance(node, Mapping):
        return (
            "{",
            [("", key) if one is SPREAD else (f"{flat(key)}: ", one) for key, one in node.items()],
            "}",
        )
    if isinstance(node, tuple):
        return "(", [("", one) for one in node], ")"
    if isinstance(node, Sequence) and not isinstance(node, (str, bytes)):
        return "[", [("", one) for one in node], "]"
    return None
