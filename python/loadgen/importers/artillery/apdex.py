"""The plugin `apdex`: how satisfied users would be, from how long whole responses took."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from loadgen.importers.artillery.values import number_of

if TYPE_CHECKING:
    from loadgen.importers.artillery.answer import Answer
    from loadgen.importers.artillery.virtual_user import VirtualUser

Rating: TypeAlias = "Callable[[Answer, VirtualUser], None]"

SATISFIED, TOLERATED, FRUSTRATED = "apdex.satisfied", "apdex.tolerated", "apdex.frustrated"
DEFAULT_MS = 500.0
_RANKS = ((0.94, "excellent"), (0.85, "good"), (0.7, "fair"), (0.49, "poor"))


def compile_apdex(config: Mapping[str, Any]) -> Rating | None:
    """Counts each response by how long it took; None where nobody asks for it."""
    plugins = config.get("plugins") or {}
    if "apdex" not in config and "apdex" not in plugins:
        return None
    wish = (config.get("apdex") or {}).get("threshold") or (plugins.get("apdex") or {}).get("threshold")
    number = number_of(wish or DEFAULT_MS)
    threshold_ms = number if number > 0 else DEFAULT_MS

    def rate(answer: Answer, vu: VirtualUser) -> None:
        total_ms = answer.total_ms
        if total_ms <= threshold_ms:
            vu.emit("counter", SATISFIED)
        elif total_ms <= 4 * threshold_ms:
            vu.emit("counter", TOLERATED)
        else:
            vu.emit("counter", FRUSTRATED)

    return rate


def score(counters: Mapping[str, float]) -> tuple[float, str] | None:
    """The score, and what it is called; None where nothing was counted."""
    satisfied, tolerated, frustrated = (counters.get(name, 0) for name in (SATISFIED, TOLERATED, FRUSTRATED))
    total = satisfied + tolerated + frustrated
    if not total:
        return None
    found = (satisfied + tolerated / 2) / total
    return found, next((name for least, name in _RANKS if found >= least), "unacceptable")
