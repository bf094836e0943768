"""The few statistics that the laws of a schedule are tested with."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def kolmogorov_p(uniforms: Sequence[float]) -> float:
    """The probability that uniform values stray further from uniformity than these sorted ones do."""
    count = len(uniforms)
    distance = max(
        max((rank + 1) / count - value, value - rank / count) for rank, value in enumerate(uniforms)
    )
    # Kolmogorov's distribution with Stephens' correction for a finite sample.
    scaled = distance * (math.sqrt(count) + 0.12 + 0.11 / math.sqrt(count))
    if scaled < 0.2:
        return 1.0
    tail = 2 * math.fsum((-1.0) ** (k - 1) * math.exp(-2 * (k * scaled) ** 2) for k in range(1, 101))
    return min(max(tail, 0.0), 1.0)


def anderson_darling(uniforms: Sequence[float]) -> float:
    """A squared of sorted values against the uniform distribution: it looks hardest at the two ends."""
    count = len(uniforms)
    total = sum(
        (2 * rank + 1) * (math.log(uniforms[rank]) + math.log1p(-uniforms[count - 1 - rank]))
        for rank in range(count)
    )
    return -count - total / count


def anderson_darling_p(squared: float) -> float:
    """The probability of an A squared above this, by Marsaglia's approximation."""
    if squared <= 0:
        return 1.0
    if squared < 2:
        terms = (2.00012, 0.247105, -0.0649821, 0.0347962, -0.011672, 0.00168691)
        shape = sum(term * squared**power for power, term in enumerate(terms))
        return 1 - math.exp(-1.2337141 / squared) / math.sqrt(squared) * shape
    terms = (1.0776, -2.30695, 0.43424, -0.082433, 0.008056, -0.0003146)
    return 1 - math.exp(-math.exp(sum(term * squared**power for power, term in enumerate(terms))))


def correlation(left: Sequence[float], right: Sequence[float]) -> float:
    """Pearson's."""
    mean_left, mean_right = math.fsum(left) / len(left), math.fsum(right) / len(right)
    product = math.fsum((a - mean_left) * (b - mean_right) for a, b in zip(left, right, strict=True))
    spread = math.fsum((a - mean_left) ** 2 for a in left) * math.fsum((b - mean_right) ** 2 for b in right)
    return product / math.sqrt(spread)


def dispersion(counts: Sequence[int]) -> float:
    """Variance over mean: 1 for Poisson counts, 0 for even ones."""
    mean = math.fsum(counts) / len(counts)
    return math.fsum((count - mean) ** 2 for count in counts) / (len(counts) - 1) / mean


def quantile(ordered: Sequence[float], percent: float) -> float:
    """Type 1: the sample of rank ceil(p n) of sorted values."""
    rank = math.ceil(percent / 100 * len(ordered) - 1e-9)
    return ordered[max(rank, 1) - 1]
