"""Client policies: what is tried again, when, how it is counted, and what is refused before the run."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadgen import policy
from loadgen.policy import Breaker, Policy, Retry, RetryPlan

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@dataclass
class Answer:
    status: int
    error: str | None = None
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class FakeUser:
    """A user whose target answers from a list."""

    answers: list[Answer | BaseException]
    rng: random.Random = field(default_factory=lambda: random.Random(1))
    sent: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    events: list[str] = field(default_factory=list)

    async def _send(self, method: str, url: str, **options: Any) -> Answer:
        self.sent.append((method, url, options))
        answer = self.answers.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def _refuse(self, method: str, url: str, options: dict[str, Any], error: str) -> Answer:
        del method, url, options
        return Answer(0, error)

    def _engine_count(self, name: str) -> None:
        self.counts[name] = self.counts.get(name, 0) + 1

    def _event(self, kind: str, text: str) -> None:
        self.events.append(f"{kind} {text}")


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    waits: list[float] = []

    async def sleep(delay_s: float) -> None:
        waits.append(delay_s)

    monkeypatch.setattr(policy.asyncio, "sleep", sleep)  # type: ignore[attr-defined]
    return waits


def send(user: FakeUser, the: Policy, method: str = "GET", url: str = "/", **options: Any) -> Answer:
    return asyncio.run(the.send(user, method, url, options))


RETRY = Retry(attempts=3, backoff="100ms", jitter=False).compile()


@pytest.mark.parametrize(
    ("answers", "status", "counts", "waits", "says"),
    [
        ([200], 200, {"attempts": 1}, [], "a success is not tried again"),
        ([404], 404, {"attempts": 1}, [], "nor is a mistake of the client's"),
        ([503, 200], 200, {"attempts": 2, "retries": 1}, [0.1], "the script sees the last attempt"),
        ([503, 429, 502], 502, {"attempts": 3, "retries": 2}, [0.1, 0.2], "three attempts in all"),
        (["timeout", "reset", 200], 200, {"attempts": 3, "retries": 2}, [0.1, 0.2], "errors count as well"),
        (["bad_response"], 0, {"attempts": 1}, [], "but not all of them"),
    ],
)
def test_what_is_tried_again(
    slept: list[float],
    answers: list[int | str],
    status: int,
    counts: dict[str, int],
    waits: list[float],
    says: str,
) -> None:
    user = FakeUser([Answer(0, kind) if isinstance(kind, str) else Answer(kind) for kind in answers])
    assert send(user, Policy(RETRY, None), json={"a": 1}).status == status, says
    assert user.counts == counts, says
    assert slept == pytest.approx(waits), says
    assert user.sent == [("GET", "/", {"json": {"a": 1}})] * len(answers)


@pytest.mark.parametrize(("method", "attempts"), [("GET", 3), ("put", 3), ("POST", 1), ("PATCH", 1)])
def test_only_what_may_be_repeated_is_repeated(slept: list[float], method: str, attempts: int) -> None:
    user = FakeUser([Answer(503)] * 3)
    send(user, Policy(RETRY, None), method)
    assert len(user.sent) == attempts == len(slept) + 1


def test_a_request_may_have_its_own_retry_or_none(slept: list[float]) -> None:
    for own, attempts in [(None, 1), (Retry(attempts=2), 2), (Retry(attempts=2, on=(500,)), 1)]:
        user = FakeUser([Answer(503)] * 3)
        send(user, Policy(RETRY, None), retry=own)
        assert len(user.sent) == attempts
        assert user.sent[0][2] == {}  # the engine knows nothing of it
    user = FakeUser([Answer(503)] * 3)
    send(user, Policy(None, None), "POST", retry=Retry(methods=("post",)))
    assert len(user.sent) == 3
    with pytest.raises(TypeError, match=r'retry: expected Retry\(...\) or None, got "3"'):
        send(FakeUser([]), Policy(None, None), retry=3)
    assert len(slept) == 3


class TestWait:
    """Pure: when the next attempt comes."""

    @pytest.mark.parametrize(
        ("failures", "seconds"), [(1, 0.1), (2, 0.3), (3, 0.9), (4, 2.0), (99, 2.0), (10_000, 2.0)]
    )
    def test_backoff_grows_to_its_cap(self, failures: int, seconds: float) -> None:
        plan = Retry(backoff="100ms", factor=3, cap="2s", jitter=False).compile()
        assert policy.wait_s(plan, failures, Answer(503), random.Random(1), NOW) == pytest.approx(seconds)

    @given(st.integers(1, 50), st.integers(0, 2**32))
    def test_full_jitter_is_anywhere_below_it_and_repeatable(self, failures: int, seed: int) -> None:
        plan = Retry(backoff="100ms", cap="2s").compile()
        one, other = (policy.wait_s(plan, failures, Answer(503), random.Random(seed), NOW) for _ in range(2))
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
        assert policy.wait_s(plan, 1, answer, random.Random(1), NOW) == pytest.approx(seconds)

    def test_retry_after_may_be_ignored(self) -> None:
        plan = Retry(backoff="100ms", jitter=False, respect_retry_after=False).compile()
        answer = Answer(503, headers={"retry-after": "7"})
        assert policy.wait_s(plan, 1, answer, random.Random(1), NOW) == pytest.approx(0.1)

    @given(st.text(max_size=40))
    def test_no_header_breaks_it(self, value: str) -> None:
        asked_s = policy.retry_after_s({"retry-after": value}, NOW)
        assert asked_s is None or asked_s >= 0


class TestBreaker:
    """The circuit around the attempts; its states are in test_circuit."""

    def test_an_open_circuit_sends_nothing_and_says_when_it_opened(self) -> None:
        the = Policy(None, Breaker(over=2, open_for="1h").compile(), "http://Target:80/base")
        user = FakeUser([Answer(500), Answer(0, "timeout")])
        assert [send(user, the).error for _ in range(4)] == [None, "timeout", "breaker_open", "breaker_open"]
        assert user.counts == {"attempts": 2}
        assert user.events == ["breaker http://target:80: open for 1h: 2 of the last 2 requests failed"]

    def test_mistakes_of_the_client_are_no_failures_of_the_target(self) -> None:
        the = Policy(None, Breaker(over=1).compile())
        user = FakeUser([Answer(404), Answer(429), Answer(200)])
        assert [send(user, the).status for _ in range(3)] == [404, 429, 200]

    def test_each_origin_has_its_own(self) -> None:
        the = Policy(None, Breaker(over=1, open_for="1h").compile(), "http://one")
        user = FakeUser([Answer(500), Answer(200)])
        send(user, the, url="/a")
        assert send(user, the, url="http://ONE/b?c=://").error == "breaker_open"
        assert send(user, the, url="http://two/").status == 200

    def test_a_circuit_that_opens_ends_the_attempts(self, slept: list[float]) -> None:
        the = Policy(RETRY, Breaker(over=2, open_for="1h").compile(), "http://one")
        user = FakeUser([Answer(503), Answer(504)])
        answer = send(user, the)
        assert answer.status == 504  # what the target said last, rather than "breaker_open"
        assert user.counts == {"attempts": 2, "retries": 1}
        assert len(slept) == 2

    def test_a_cancelled_probe_leaves_its_place(self) -> None:
        the = Policy(None, Breaker(over=1, open_for="0s").compile(), "http://one")
        user = FakeUser([Answer(500), asyncio.CancelledError(), Answer(200)])
        send(user, the)
        with pytest.raises(asyncio.CancelledError):
            send(user, the)
        assert send(user, the).status == 200
        assert user.events[-1] == "breaker http://one: closed: the target answers again"


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


def test_a_plan_survives_the_way_to_a_worker() -> None:
    for plan in (Retry().compile(), Breaker().compile()):
        assert msgspec.json.decode(msgspec.json.encode(plan), type=type(plan)) == plan
    assert Retry().compile() == RetryPlan(
        attempts=3,
        statuses=[429, 502, 503, 504],
        errors=["connect_refused", "connect_timeout", "connect_failed", "reset", "closed", "timeout"],
        backoff_ns=100_000_000,
        factor=2.0,
        cap_ns=10_000_000_000,
        jitter=True,
        respect_retry_after=True,
        methods=["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"],
    )


def test_a_date_without_a_zone_is_in_utc() -> None:
    later = (NOW + timedelta(seconds=5)).strftime("%a, %d %b %Y %H:%M:%S -0000")
    assert policy.retry_after_s({"retry-after": later}, NOW) == 5
