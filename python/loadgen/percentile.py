"""Percentiles by their names, and how many samples one needs. Pure."""

from __future__ import annotations

import math
import re


def percent_of(statistic: str) -> float:
    """`p99` is 99, `p99.9` and `p999` are 99.9, `p9999` is 99.99."""
    match = re.fullmatch(r"p(\d\d?)(?:\.(\d+))?|p(9\d)(\d+)", statistic, re.ASCII)
    if match is None:
        raise ValueError(f"not a percentile: {statistic}")
    whole, fraction = match[1] or match[3], match[2] or match[4]
    percent = float(f"{whole}.{fraction or 0}")
    if not 0 < percent < 100:
        raise ValueError(f"not a percentile: {statistic}")
    return percent


def samples_needed(percent: float) -> int:
    """How many samples a percentile needs before a two-sided 95 % confidence interval for it exists.

    The interval's upper end is an order statistic, so it exists once p^n <= 0.025: 368 samples for p99, 3,688
    for p99.9, 36,887 for p99.99. Below the median it is the lower end that is missing, hence the larger of p
    and 1 - p.
    """
    share = max(percent, 100 - percent) / 100
    return math.ceil(math.log(0.025) / math.log(share))
