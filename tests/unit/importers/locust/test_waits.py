from types import SimpleNamespace

import pytest

from loadgen.importers.locust import waits


def test_between_stays_between() -> None:
    drawn = [waits.between(2, 5)(None) for _ in range(200)]
    assert 2 <= min(drawn) < max(drawn) <= 5


def test_pacing_counts_from_the_end_of_the_last_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(waits, "monotonic", lambda: now)
    pace, user = waits.constant_pacing(10), SimpleNamespace()
    assert pace(user) == 10  # the first is spent too
    now = 113  # the wait ended at 110, and the task took 3
    assert pace(user) == 7
    now = 145  # the task took 25: nothing is caught up on
    assert pace(user) == 0
    now = 146
    assert pace(user) == 9


def test_throughput_is_the_pace_of_its_inverse(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waits, "monotonic", lambda: 0.0)
    assert waits.constant_throughput(4)(SimpleNamespace()) == 0.25
