"""Text from outside, short and harmless enough to be shown: names, messages, whole documents."""

from __future__ import annotations

from typing import Any

from loadgen.units import format_count, printable

LONGEST = 300
MOST_ITEMS = 100


def shown(text: str) -> str:
    """One text: its beginning and its end where it is long; what could steer a reader's eye is escaped."""
    if len(text) > LONGEST:
        return f"{printable(text[:200])} … {printable(text[-80:])} ({format_count(len(text))} characters)"
    return printable(text)


def document(value: Any) -> Any:
    """A JSON document, with every text and list in it cut."""
    if isinstance(value, str):
        return shown(value)
    if isinstance(value, dict):
        return {shown(str(name)): document(part) for name, part in value.items()}
    if isinstance(value, list):
        parts = [document(part) for part in value[:MOST_ITEMS]]
        more = len(value) - MOST_ITEMS
        return [*parts, f"… and {format_count(more)} more"] if more > 0 else parts
    return value
