"""Takes away what a flow captures and nobody reads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from loadgen.convert.draft import Block, Call, Line
from loadgen.convert.source import flat

Statements = Sequence[Call | Line | Block]


def without_unused(
    statements: Statements, used: set[str], note: Callable[[str], None]
) -> list[Call | Line | Block]:
    """The statements without variables that are not among those used; `note` is told of each."""
    kept: list[Call | Line | Block] = []
    for one in statements:
        if isinstance(one, Line) and one.sets is not None and one.sets not in used:
            note(one.sets)
        elif isinstance(one, Block):
            kept.append(replace(one, body=without_unused(one.body, used, note)))
        else:
            kept.append(one)
    for index, one in enumerate(kept):
        if isinstance(one, Call):
            one.is_used = _is_used(kept[index + 1 :])
    return kept


def _is_used(after: Statements) -> bool:
    """Whether the lines up to the next request look at the response."""
    for one in after:
        if not isinstance(one, Line) or one.calls:
            return False
        if "response" in flat(one.node):
            return True
    return False
