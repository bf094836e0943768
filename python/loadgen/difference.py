"""One figure on both sides, before it is judged: its values, how they differ, what chance may do to that."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from loadgen.hlog import Real

Unit = Literal["ms", "share", "per_second"]


class Difference(Struct, kw_only=True):
    """Ratios are logarithms here, shares are subtracted. `why` says why nothing can be told."""

    label: str | None
    name: str
    unit: Unit
    baseline: float | None
    run: float | None
    why: str | None = None
    difference: float = 0.0
    interval: tuple[float, float] | None = None
    error: float = 0.0
    redrawn: Real | None = None
    by_run: tuple[Real, ...] = ()
    by_chance: float = 1.0
