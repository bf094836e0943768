"""Lines of StatsD: what a server would make of them."""

from __future__ import annotations

import pytest

from loadgen.outputs.reading import Figures, Reading
from loadgen.outputs.statsd import DogStatsD, StatsD


@pytest.mark.parametrize(
    ("receiver", "lines"),
    [
        (StatsD("127.0.0.1:1"), ["loadgen.gauge.degrees:0|g", "loadgen.gauge.degrees:-5|g"]),
        (DogStatsD("127.0.0.1:1"), ["loadgen.gauge:-5|g|#name:degrees"]),
    ],
)
def test_a_gauge_below_zero_is_that_value(receiver: StatsD, lines: list[str]) -> None:
    """Plain StatsD takes a sign for a step from where the gauge was."""
    reading = Reading(
        at_ns=0,
        at_s=0,
        length_s=1,
        draining=False,
        interval=Figures({}, [], [("gauge", "degrees", -5.0, -5.0)]),
        total=Figures({}, [], []),
        now={},
    )
    assert list(receiver.lines(reading)) == lines
