"""How often each task of each class comes, as shares: what `--show-task-ratio` prints."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Shares = dict[str, dict[str, Any]]


def shares_of(classes: Sequence[Any], users: int) -> dict[str, Shares]:
    """Of each class for itself, and of all users together: by fixed counts, then by weight."""
    fixed = {one: min(one.fixed_count, users) for one in classes if one.fixed_count}
    left = max(users - sum(fixed.values()), 0)
    weights = {one: float(one.weight) for one in classes if not one.fixed_count}
    parts = {one: float(count) for one, count in fixed.items()}
    together = sum(weights.values())
    if not parts:
        parts = weights
    else:
        parts |= {one: left * weight / together for one, weight in weights.items()}
    whole = sum(parts.values()) or 1.0
    return {
        "per_class": {one.__name__: _node(one, 1.0, 1.0) for one in classes},
        "total": {one.__name__: _node(one, part / whole, part / whole) for one, part in parts.items()},
    }


def render_shares(shares: dict[str, Shares]) -> str:
    """As a table."""
    lines = []
    for head, key in (("Task ratio per User class", "per_class"), ("Total task ratio", "total")):
        lines += [f" {head}", "-" * 80, *_rows(shares[key], 0), ""]
    return "\n".join(lines)


def _node(kind: Any, ratio: float, factor: float) -> dict[str, Any]:
    tasks = list(getattr(kind, "tasks", None) or [])
    node: dict[str, Any] = {"ratio": ratio}
    counts: dict[Any, int] = {}
    for task in tasks:
        counts[task] = counts.get(task, 0) + 1
    if counts:
        node["tasks"] = {}
        for task, count in counts.items():
            share = factor * count / len(tasks)
            node["tasks"][task.__name__] = (
                _node(task, share, share) if isinstance(task, type) else {"ratio": share}
            )
    return node


def _rows(shares: Shares, depth: int) -> list[str]:
    rows = []
    for name, node in shares.items():
        rows.append(f" {node['ratio'] * 100:<10.1f} {'  ' * depth}{name}")
        rows += _rows(node.get("tasks", {}), depth + 1)
    return rows
