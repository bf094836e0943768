"""The stages of a load shape, where they stand in a list."""

from __future__ import annotations

import ast
from itertools import pairwise

from loadgen.convert.locustfile.classes import Group


def stages_of(group: Group) -> list[tuple[str, int]] | None:
    """(duration, users) of each ramp and of what it holds; None where only its code knows."""
    tick = group.method("tick")
    value = group.value("stages")
    if tick is None or value is None:
        return None
    try:
        rows = ast.literal_eval(value)
        rows = [
            row
            if isinstance(row, dict)
            else dict(zip(("duration", "users", "spawn_rate"), row, strict=False))
            for row in rows
        ]
        read = [(float(row["duration"]), int(row["users"]), float(row["spawn_rate"])) for row in rows]
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    text = ast.unparse(tick[1])
    loops = [node for node in ast.walk(tick[1]) if isinstance(node, ast.For)]
    if len(loops) != 1 or "stages" not in ast.unparse(loops[0].iter) or "return None" not in text:
        return None
    ends = [duration for duration, _, _ in read]
    if "-=" in text or "+=" in text:
        ends = [sum(ends[: place + 1]) for place in range(len(ends))]
    if any(second <= first for first, second in pairwise([0.0, *ends])) or any(
        rate <= 0 for *_, rate in read
    ):
        return None
    found: list[tuple[str, int]] = []
    users, at = 0, 0.0
    for (_, wanted, rate), end in zip(read, ends, strict=True):
        ramp = min(abs(wanted - users) / rate, end - at)
        if ramp:
            users = round(users + (wanted - users) * min(1.0, ramp * rate / abs(wanted - users)))
            found.append((f"{ramp:g}s", users))
        if end - at > ramp:
            found.append((f"{end - at - ramp:g}s", users))
        at = end
    return found
