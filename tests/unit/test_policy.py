"""Client policies at work: what is tried again, how it is counted, and what is not sent."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from loadgen import policy
from loadgen.circuit import Breaker
from loadgen.policy import Policy
from loadgen.retry import Retry, RetryPlan

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
