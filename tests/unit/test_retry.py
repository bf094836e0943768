"""Retries: when the next attempt comes, and what is refused before the run."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadgen.retry import Retry, retry_after_s, wait_s

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@dataclass
class Answer:
    status: int
    error: str | None = None
    headers: dict[str, str] = field(default_factory=dict)


class TestWait:
    """Pure: when the next attempt comes."""

    @pytest.mark.parametrize(
        ("failures", "seconds"), [(1, 0.1), (2, 0.3), (3, 0.9), (4, 2.0), (99, 2.0), (10_000, 2.0)]
    )
    def test_backoff_grows_to_its_cap(self, failures: int, seconds: float) -> None:
        plan = Retry(backoff="100ms", factor=3, cap="2s", jitter=False).compile()
        assert wait_s(plan, failures, Answer(503), random.Random(1), NOW) == pytest.approx(seconds)

    @given(st.integers(1, 50), st.integers(0, 2**32))
    def test_full_jitter_is_anywhere_below_it_and_repeatable(self, failures: int, seed: int) -> None:
        plan = Retry(backoff="100ms", cap="2s").compile()
        one, other = (wait_s(plan, failures, Answer(503), random.Random(seed), NOW) for _ in range(2))
        assert one == other
        assert 0 <= one <= min(0.1 * 2 ** (failures - 1), 2.0)

    @pytest.mark.parametrize(
        ("value", "seconds"),
        [
            ("1", 1.0),
            (" 0 ", 0.0),
            ("3600", 2.0),  # capped
            ("Fri, 02 Jan 2026 03:04:06 GMT", 1.0),
            ("Friday, 02-Jan-26 03:04:06 GMT", 1.0),
            ("Fri, 02 Jan 2026 03:04:04 GMT", 0.0),  # in the past
            ("Fri, 02 Jan 2026 04:04:05 GMT", 2.0),  # capped
            ("soon", 0.1),
            ("", 0.1),
            ("-1", 0.1),
            ("1.5", 0.1),
            ("٣", 0.1),
        ],
    )
    def test_retry_after_takes_the_place_of_backoff(self, value: str, seconds: float) -> None:
        plan = Retry(backoff="100ms", cap="2s", jitter=False).compile()
        answer = Answer(503, headers={"retry-after": value})
        assert wait_s(plan, 1, answer, random.Random(1), NOW) == pytest.approx(seconds)

    def test_retry_after_may_be_ignored(self) -> None:
        plan = Retry(backoff="100ms", jitter=False, respect_retry_after=False).compile()
        answer = Answer(503, headers={"retry-after": "7"})
        assert wait_s(plan, 1, answer, random.Random(1), NOW) == pytest.approx(0.1)

    @given(st.text(max_size=40))
    def test_no_header_breaks_it(self, value: str) -> None:
        asked_s = retry_after_s({"retry-after": value}, NOW)
        assert asked_s is None or asked_s >= 0


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"attempts": 0}, 'attempts: expected a whole number from 1 to 100, got "0"'),
        ({"attempts": True}, 'attempts: expected a whole number from 1 to 100, got "True"'),
        ({"on": (503, "refused")}, "on[1]: expected a status such as 503 or one of connect_refused, "),
        ({"on": 503}, 'on: expected a list such as (429, 503), got "503"'),
        ({"on": "timeout"}, 'on: expected a list such as (429, 503), got "timeout"'),
        ({"backoff": "soon"}, 'backoff: expected a duration such as "30s", "5m" or "1h30m", got "soon"'),
        ({"cap": "2h"}, 'cap: expected at most 1h, got "2h"'),
        ({"factor": 0.5}, 'factor: expected a number from 1 to 100, got "0.5"'),
        ({"factor": float("nan")}, "factor: expected a number"),
        ({"jitter": 1}, 'jitter: expected True or False, got "1"'),
        ({"methods": ("GET", "")}, 'methods[1]: expected a method such as "GET", got ""'),
        ({"methods": "GET"}, 'methods: expected a list such as ("GET", "PUT"), got "GET"'),
    ],
)
def test_what_is_wrong_in_a_retry_is_said(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError) as caught:
        Retry(**fields)
    assert str(caught.value).startswith(message)


def test_a_date_without_a_zone_is_in_utc() -> None:
    later = (NOW + timedelta(seconds=5)).strftime("%a, %d %b %Y %H:%M:%S -0000")
    assert retry_after_s({"retry-after": later}, NOW) == 5
