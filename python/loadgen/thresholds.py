"""A threshold: a condition on a run, and how it is judged. It knows figures, not where they come from."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Literal, Protocol

from msgspec import Struct

from loadgen.error_kinds import ERROR_WORDS
from loadgen.units import (
    format_count,
    format_duration,
    format_ns,
    format_number,
    format_percent,
    format_rate,
    quoted,
)

Outcome = Literal["pass", "fail", "no data"]
Scale = Literal["ms", "share", "count", "per_second", "number"]

COUNTS = ("requests", "ok", "dropped", "cancelled", "unfinished")
_OPERATORS: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
# Of fewer samples, or events where it is a share, one could decide: they end no run.
ENOUGH = 10


class Figures(Protocol):
    """What a threshold asks of a run; `label` None is the whole run. None is: no data."""

    def latency_ms(self, kind: str, statistic: str, label: str | None) -> float | None: ...
    def count(self, name: str, label: str | None) -> int | None: ...
    def rate_per_s(self, label: str | None) -> float | None: ...
    def check_share(self, name: str | None) -> float | None: ...
    def check_count(self, name: str | None) -> int: ...
    def metric(self, name: str, statistic: str | None) -> float | None: ...


class Threshold(Struct, frozen=True):
    """One condition on a run."""

    expression: str
    label: str | None
    metric: str  # latency: "response.p99" with its kind always there; otherwise as written
    op: str
    limit: float
    scale: Scale
    over_ns: int = 0
    after_ns: int = 0
    abort: bool = False
    # The share of errors that an objective allows, of which burn and budget are multiples.
    allowed: float = 1.0

    @property
    def span(self) -> tuple[int, int]:
        """What it is judged on: thresholds with the same `over` and `after` are on the same."""
        return self.over_ns, self.after_ns

    def __str__(self) -> str:
        # The condition stands at its end, after a label that may be long.
        return quoted(self.expression, most=160)

    def measure(self, figures: Figures) -> float | None:
        """The metric's value, on the threshold's own scale."""
        if self.scale == "ms":
            kind, _, statistic = self.metric.partition(".")
            return figures.latency_ms(kind, statistic, self.label)
        if self.scale == "per_second":
            return figures.rate_per_s(self.label)
        if is_check(self.metric):
            return figures.check_share(self._check)
        if self.own_metric is not None:
            return figures.metric(*self.own_metric)
        value = figures.count(self.metric, self.label)
        if self.scale == "count" or value is None:
            return value
        sent = figures.count("requests", self.label)
        if not sent:
            return None
        # Rounded where it is divided twice: at its limit a burn must not be a hair above it.
        return value / sent if self.allowed == 1 else round(value / sent / self.allowed, 9)

    def ends_the_run(self, figures: Figures) -> bool:
        """Whether the run so far fails, and enough of it is known to say so. A failed window is enough."""
        value = self.measure(figures)
        if value is None or self.judge(value) != "fail":
            return False
        is_sum = self.own_metric is not None and self.own_metric[1] in ("sum", "count")
        if self.over_ns or self.scale == "count" or (is_sum and self.op in ("<", "<=")):
            return True  # a count only grows: what is above the limit stays there
        samples = self._samples(figures)
        if self.scale == "share" or self.allowed != 1:
            share = value * self.allowed
            return round((share if self.op in ("<", "<=") else 1 - share) * samples) >= ENOUGH
        return samples >= ENOUGH

    def may_still_hold(self) -> bool:
        """Whether the run so far says nothing against it: a count that has to be reached by the end."""
        return self.scale == "count" and not self.over_ns and self.op in (">", ">=")

    def is_worse(self, value: float, other: float) -> bool:
        """Whether a value is further from passing than another."""
        return value > other if self.op in ("<", "<=") else value < other

    def _samples(self, figures: Figures) -> float:
        if is_check(self.metric):
            return figures.check_count(self._check)
        if self.own_metric is not None:
            return figures.metric(self.own_metric[0], "count") or 0
        return figures.count("requests", self.label) or 0

    def show(self, value: float) -> str:
        """A value for people, in the metric's unit."""
        if self.scale == "ms":
            return format_ns(value * 1e6)
        return {
            "share": format_percent,
            "per_second": format_rate,
            "count": format_count,
            "number": format_number,
        }[self.scale](value)

    def place(self, window_ends_at_s: float | None) -> str:
        """Words for a window, after its value."""
        if window_ends_at_s is None:
            return ""
        return f" in the {format_duration(self.over_ns)} up to {window_ends_at_s:.1f} s"

    @property
    def _check(self) -> str | None:
        return None if self.metric == "checks" else self.metric[len("check(") : -1]

    @property
    def own_metric(self) -> tuple[str, str | None] | None:
        """(name, statistic), where the metric is the script's own."""
        if self.scale in ("ms", "per_second") or is_count(self.metric) or is_check(self.metric):
            return None
        return (self.metric, None) if self.label is None else (self.label, self.metric)

    def judge(self, value: float | None) -> Outcome:
        """Whether a value passes."""
        if value is None:
            return "no data"
        return "pass" if _OPERATORS[self.op](value, self.limit) else "fail"


def is_check(metric: str) -> bool:
    """Whether it is the share of checks that passed."""
    return metric == "checks" or metric.startswith("check(")


def is_count(metric: str) -> bool:
    """Whether it counts requests or arrivals, of any run."""
    of_errors, dot, kind = metric.partition(".")
    return metric in COUNTS or (of_errors == "errors" and (not dot or kind in ERROR_WORDS))
