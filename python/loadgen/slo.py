"""`p99 < 200ms, errors < 1%`: a service level, each condition a share that is allowed to be over a limit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from loadgen.percentile import percent_of, samples_needed
from loadgen.threshold_grammar import parse_threshold
from loadgen.thresholds import Threshold
from loadgen.units import quoted

if TYPE_CHECKING:
    from loadgen._engine import Snapshot

_EXPECTED = 'expected conditions such as "p99 < 200ms, errors < 1%"'


class Condition(Struct, frozen=True):
    """Of the requests of a stretch, at most a share of `allowed` may be over the limit, or fail."""

    threshold: Threshold
    allowed: float
    samples: int  # so many requests are needed to tell

    def count(self, interval: Snapshot, end: Snapshot) -> tuple[int, int]:
        """How many are over, and of how many; at the end, what has not ended never will.

        A script's label may not have come up.
        """
        label = self.threshold.label
        if label is not None and label not in interval.labels:
            return 0, 0
        if self.threshold.scale == "ms":
            kind, _, _ = self.threshold.metric.partition(".")
            histogram = interval.histogram(kind, label)
            over = histogram.count_above(round(self.threshold.limit * 1e6)) + histogram.infinite
            return over, histogram.count + histogram.infinite
        counters, whole = (
            one.counters if label is None else one.label_counters(label) for one in (interval, end)
        )
        unfinished = whole["sent"] - whole["ok"] - whole["failed"]
        of = counters["ok"] + counters["failed"] + unfinished
        kind = self.threshold.metric.removeprefix("errors").removeprefix(".")
        if not kind:
            return counters["failed"] + unfinished, of
        errors = interval.errors if label is None else interval.label_errors(label)
        return errors.get(kind, 0), of


def parse_slo(text: str) -> list[Condition]:
    """All of its conditions, which are separated by commas."""
    return [_condition(part) for part in text.split(",")]


def _condition(text: str) -> Condition:
    threshold = parse_threshold(text)
    if threshold.op not in ("<", "<="):
        raise ValueError(f'{_EXPECTED}, with "<", got {quoted(text)}')
    if threshold.over_ns or threshold.after_ns or threshold.abort:
        raise ValueError(f"{_EXPECTED}: each probe is judged as a whole, got {quoted(text)}")
    if threshold.scale == "share" and threshold.allowed == 1 and 0 < threshold.limit < 1:
        return Condition(threshold, threshold.limit, samples_needed(100 * (1 - threshold.limit)))
    kind, _, statistic = threshold.metric.partition(".")
    if threshold.scale != "ms" or kind not in ("response", "service") or not statistic.startswith("p"):
        raise ValueError(f"{_EXPECTED}: a percentile of response or service, or a share, got {quoted(text)}")
    percent = percent_of(statistic)
    return Condition(threshold, (100 - percent) / 100, samples_needed(percent))
