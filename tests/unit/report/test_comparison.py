"""Changes as people read them: signs, digits no more than they deserve, never a minus zero."""

from __future__ import annotations

import pytest

from loadgen.comparison import Figure
from loadgen.report.comparison import show, show_change

LATENCY = Figure(name="p99", unit="ms", baseline=1.0, run=2.0)
SHARE = Figure(name="failed", unit="share", baseline=0.0, run=0.001)
RATE = Figure(name="ok", unit="per_second", baseline=10.0, run=20.0)


@pytest.mark.parametrize(
    ("figure", "change", "text"),
    [
        (LATENCY, 0.0, "0.0 %"),
        (LATENCY, -0.0001, "0.0 %"),
        (LATENCY, 0.05, "+5.0 %"),
        (LATENCY, -0.123, "-12.3 %"),
        (LATENCY, 12.34, "+1,234 %"),
        (SHARE, 0.0012, "+0.12 pt"),
        (SHARE, -0.25, "-25.0 pt"),
        (RATE, 0.9999, "+100 %"),
    ],
)
def test_a_change_has_its_sign_and_few_digits(figure: Figure, change: float, text: str) -> None:
    assert show_change(figure, change) == text


def test_values_have_their_units() -> None:
    assert show(LATENCY, 1.5) == "1.50 ms"
    assert show(LATENCY, "inf") == "∞"
    assert show(LATENCY, None) == "-"
    assert show(SHARE, 0.001) == "0.1 %"
    assert show(RATE, 1234.0) == "1,234/s"
