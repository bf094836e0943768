"""The circuit breaker's state machine, played without a clock."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadgen.circuit import Breaker, Circuit

MS = 1_000_000


def circuit_of(*, failures: float = 0.5, over: int = 4, half_open: int = 1) -> Circuit:
    plan = Breaker(failures=failures, over=over, open_for="100ms", half_open=half_open).compile()
    return Circuit(plan, "http://t")


def play(circuit: Circuit, steps: str) -> str:
    """A character for each step, one ms apart: + and - are requests that pass and fail, . waits 100 ms.

    Returns the state after each step; a capital where the request was not sent.
    """
    states, now_ns = "", 0
    for step in steps:
        now_ns += 100 * MS if step == "." else MS
        period = None if step == "." else circuit.admit(now_ns)
        if period is not None:
            circuit.record(period, step == "+", now_ns)
        letter = circuit.state[0]
        states += letter.upper() if step != "." and period is None else letter
    return states


@pytest.mark.parametrize(
    ("steps", "states", "says"),
    [
        ("++++++++", "cccccccc", "nothing fails: it stays closed"),
        ("---", "ccc", "a window that is not full decides nothing"),
        ("+--+", "ccco", "half of the last four failed"),
        ("--++", "ccco", "in whatever order"),
        ("-+++-+++-+++", "cccccccccccc", "one in four is less than half, for ever"),
        ("++++--", "ccccco", "old results leave the window"),
        ("----+-+", "cccoOOO", "open: nothing is sent"),
        ("----.", "cccoo", "time alone changes nothing: the next request does"),
        ("----.+", "cccooc", "the probe passed"),
        ("----.-+", "cccoooO", "the probe failed: open for as long again"),
        ("----.-.+", "cccooooc", "and again half-open after it"),
        ("----.+---", "cccooc" + "ccc", "closed with an empty window"),
        ("----.+----", "cccooc" + "ccco", "which fills like the first"),
    ],
)
def test_the_states(steps: str, states: str, says: str) -> None:
    assert play(circuit_of(), steps) == states, says


def state(circuit: Circuit) -> str:
    return circuit.state


def half_open_circuit(probes: int) -> tuple[Circuit, int]:
    circuit = circuit_of(over=1, half_open=probes)
    assert play(circuit, "-") == "o"
    return circuit, 200 * MS


def test_half_open_lets_only_the_probes_pass() -> None:
    circuit, now_ns = half_open_circuit(2)
    first, second, third = (circuit.admit(now_ns) for _ in range(3))
    assert first is not None
    assert second is not None
    assert third is None
    circuit.record(first, True, now_ns)
    assert state(circuit) == "half-open"  # all must succeed
    assert circuit.admit(now_ns) is None
    circuit.record(second, True, now_ns)
    assert state(circuit) == "closed"


def test_one_failed_probe_opens_it_whatever_the_others_say() -> None:
    circuit, now_ns = half_open_circuit(2)
    first, second = circuit.admit(now_ns), circuit.admit(now_ns)
    assert first is not None
    assert second is not None
    circuit.record(first, False, now_ns)
    circuit.record(second, True, now_ns)
    assert state(circuit) == "open"


def test_a_probe_that_was_given_up_leaves_its_place_to_another() -> None:
    circuit, now_ns = half_open_circuit(1)
    first = circuit.admit(now_ns)
    assert first is not None
    circuit.record(first, None, now_ns)
    second = circuit.admit(now_ns)
    assert second is not None
    circuit.record(second, True, now_ns)
    assert state(circuit) == "closed"


def test_late_answers_to_what_was_sent_before_the_change_say_nothing() -> None:
    circuit = circuit_of(over=1)
    early, late = circuit.admit(0), circuit.admit(0)
    assert early is not None
    assert late is not None
    circuit.record(early, False, 0)
    circuit.record(late, True, 0)
    assert state(circuit) == "open"
    assert circuit.admit(200 * MS) is not None
    circuit.record(late, True, 200 * MS)
    assert state(circuit) == "half-open"


def test_each_change_is_told_once_and_in_words() -> None:
    circuit = circuit_of()
    play(circuit, "-+--.-.+")
    assert circuit.news() == [
        "http://t: open for 100ms: 3 of the last 4 requests failed",
        "http://t: half-open: 1 request may try",
        "http://t: open for 100ms: the target still fails",
        "http://t: half-open: 1 request may try",
        "http://t: closed: the target answers again",
    ]
    assert circuit.news() == []


@given(st.text("+-.", max_size=80), st.integers(1, 5), st.sampled_from([0.2, 0.5, 1.0]))
def test_a_target_that_answers_again_is_always_let_in(steps: str, over: int, failures: float) -> None:
    circuit = circuit_of(over=over, failures=failures)
    assert play(circuit, steps + "." + "+" * over + ".+")[-1] == "c"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"failures": 0}, "failures: expected a share above 0 such as 0.5, got 0"),
        ({"failures": 50}, 'failures: expected a number from 0 to 1, got "50"'),
        ({"over": 2.5}, 'over: expected a whole number from 1 to 1,000,000, got "2.5"'),
        ({"open_for": -1}, "open_for: expected a duration"),
        ({"half_open": 0}, "half_open: expected a whole number"),
    ],
)
def test_what_is_wrong_in_a_breaker_is_said(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError) as caught:
        Breaker(**fields)
    assert str(caught.value).startswith(message)
