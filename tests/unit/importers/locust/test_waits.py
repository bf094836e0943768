from collections.abc import Callable
from types import SimpleNamespace

import pytest

from loadgen.importers.locust import waits


def test_between_stays_between() -> None:
    drawn = [waits.between(2, 5)(None) for _ in range(200)]
    assert 2 <= min(drawn) < max(drawn) <= 5


def test_pacing_counts_from_the_end_of_the_last_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(waits, "monotonic", lambda: now)
    pace, user = waits.constant_pacing(10), SimpleNamespace(_paced_at=98.0)
    assert pace(user) == 8  # it was made two seconds ago
    now = 111  # the wait ended at 108, and the task took 3
    assert pace(user) == 7
    now = 145  # the task took 25: nothing is caught up on
    assert pace(user) == 0
    now = 146
    assert pace(user) == 9


def test_throughput_is_the_pace_of_its_inverse(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waits, "monotonic", lambda: 0.0)
    assert waits.constant_throughput(4)(SimpleNamespace(_paced_at=0.0)) == 0.25


def test_poisson_has_its_rate() -> None:
    draw = waits.poisson(50)
    drawn = [draw(None) for _ in range(4000)]
    mean = sum(drawn) / len(drawn)
    assert abs(mean - 0.02) < 5 * 0.02 / len(drawn) ** 0.5
    assert min(drawn) < 0.002
    assert max(drawn) > 0.06


@pytest.mark.parametrize("wait", [waits.poisson, waits.constant_throughput])
def test_a_rate_that_is_none_is_refused(wait: Callable[[float], object]) -> None:
    with pytest.raises(ValueError, match="above 0"):
        wait(0)
