"""Shares of one schedule: whatever the number of workers, together they send the same list."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadgen._engine import EngineError
from tests.engine.plans import SECOND, Arrivals, Stages, make_schedule

KINDS: list[Arrivals] = ["constant", "poisson", {"on_ns": 10_000_000, "off_ns": 30_000_000}]
STAGES: Stages = [(SECOND // 2, 0, 2000), (SECOND // 2, 2000, 300)]

kinds = st.sampled_from(KINDS)
seeds = st.integers(0, 2**64 - 1)


def listed(arrivals: Arrivals, seed: int, workers: int = 1) -> list[tuple[int, int]]:
    schedule = make_schedule(STAGES, arrivals, seed)
    return sorted(arrival for worker in range(workers) for arrival in schedule.arrivals(worker, workers))


@pytest.mark.parametrize("arrivals", KINDS, ids=["constant", "poisson", "bursts"])
def test_every_number_of_workers_sends_the_same_list(arrivals: Arrivals) -> None:
    """Catches a share that draws its own random numbers, or that starts its own clock."""
    whole = listed(arrivals, 7)
    assert len(whole) == make_schedule(STAGES, arrivals, 7).total
    for workers in range(1, 65):
        assert listed(arrivals, 7, workers) == whole, f"{workers} workers"


@given(arrivals=kinds, seed=seeds, workers=st.integers(1, 64))
def test_a_share_is_every_nth_arrival_in_order(arrivals: Arrivals, seed: int, workers: int) -> None:
    """Catches a share taken by time or in blocks instead of dealt round, which would beat in lockstep."""
    schedule = make_schedule(STAGES, arrivals, seed)
    for worker in {0, workers // 2, workers - 1}:
        share = list(schedule.arrivals(worker, workers))
        assert [number for number, _ in share] == list(range(worker, schedule.total, workers))
        assert [due for _, due in share] == sorted(due for _, due in share)


@given(seed=seeds, other=seeds)
def test_a_seed_repeats_its_list_and_another_has_another(seed: int, other: int) -> None:
    """Catches an ignored seed, and state that makes a second reading differ from the first."""
    assert listed("poisson", seed) == listed("poisson", seed)
    if seed != other:
        assert listed("poisson", seed) != listed("poisson", other)


@given(arrivals=kinds, seed=seeds, ns=st.integers(0, SECOND + 1))
def test_the_count_before_an_instant_is_that_of_the_list(arrivals: Arrivals, seed: int, ns: int) -> None:
    """Catches a count computed by another way than the list, which would put adherence wrong."""
    expected = sum(due < ns for _, due in listed(arrivals, seed))
    assert make_schedule(STAGES, arrivals, seed).count_before(ns) == expected


@given(worker=st.integers(0, 10), workers=st.integers(0, 10))
def test_a_share_outside_of_the_crew_is_refused(worker: int, workers: int) -> None:
    """Catches a worker numbered from 1: the last one's share would be missing from the run in silence."""
    schedule = make_schedule(STAGES)
    if worker < workers:
        assert next(schedule.arrivals(worker, workers))[0] == worker
    else:
        with pytest.raises(EngineError):
            schedule.arrivals(worker, workers)
