"""Client policies: how often a request is tried again, and when it is not sent at all. Opens no connection.

The engine times and counts every attempt. A script sees the operation: what the last attempt brought.
"""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import msgspec
from msgspec import Struct

from loadgen._engine import monotonic_ns
from loadgen.circuit import Circuit
from loadgen.units import parse_duration_ns, quoted

if TYPE_CHECKING:
    from loadgen.engine_plan import ScriptPlan

IDEMPOTENT = ("GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE")
TRANSIENT: tuple[int | str, ...] = (
    *(429, 502, 503, 504),
    *("connect_refused", "connect_timeout", "connect_failed", "reset", "closed", "timeout"),
)
# What the engine calls the ways in which a request ends without an answer.
_ERRORS = (
    *(
        "connect_refused",
        "connect_timeout",
        "connect_failed",
        "no_descriptors",
        "no_ports",
        "reset",
        "closed",
    ),
    *("timeout", "bad_response", "header_too_large", "body_too_large"),
)
REFUSED = "breaker_open"
_METHOD = re.compile(r"[A-Z]+")
MAX_ATTEMPTS = 100
MAX_WAIT_NS = 3_600_000_000_000
MAX_WINDOW = 1_000_000


class RetryPlan(Struct, frozen=True, forbid_unknown_fields=True):
    """`Retry` as workers and plan.json know it."""

    attempts: int
    statuses: list[int]
    errors: list[str]
    backoff_ns: int
    factor: float
    cap_ns: int
    jitter: bool
    respect_retry_after: bool
    methods: list[str]


class BreakerPlan(Struct, frozen=True, forbid_unknown_fields=True):
    """`Breaker` as workers and plan.json know it."""

    failures: float
    over: int
    open_for_ns: int
    half_open: int


class Retry(Struct, frozen=True, kw_only=True, dict=True):
    """Try again what may pass. Attempt n + 1 waits for a part of backoff × factor^(n - 1), capped."""

    attempts: int = 3  # in all, the first one included
    on: Sequence[int | str] = TRANSIENT
    backoff: str | float = "100ms"
    factor: float = 2
    cap: str | float = "10s"  # of every wait, also of one that the server asks for
    jitter: bool = True  # without it, clients that failed together come again together
    respect_retry_after: bool = True
    methods: Sequence[str] = IDEMPOTENT  # a POST that is sent twice may buy twice

    def __post_init__(self) -> None:
        self.compile()

    def compile(self) -> RetryPlan:
        """The struct of plan.json. Raises ValueError where a field cannot be used."""
        return self._compiled

    @cached_property
    def _compiled(self) -> RetryPlan:
        statuses, errors, methods = [], [], []
        for index, kind in enumerate(_list("on", self.on, "(429, 503)")):
            if isinstance(kind, int) and not isinstance(kind, bool) and 100 <= kind <= 599:
                statuses.append(kind)
            elif isinstance(kind, str) and kind in _ERRORS:
                errors.append(kind)
            else:
                raise ValueError(
                    f"on[{index}]: expected a status such as 503 or one of {', '.join(_ERRORS)}, "
                    f"got {quoted(kind)}"
                )
        for index, method in enumerate(_list("methods", self.methods, '("GET", "PUT")')):
            if not isinstance(method, str) or not _METHOD.fullmatch(method.upper()):
                raise ValueError(f'methods[{index}]: expected a method such as "GET", got {quoted(method)}')
            methods.append(method.upper())
        return RetryPlan(
            attempts=_count("attempts", self.attempts, MAX_ATTEMPTS),
            statuses=statuses,
            errors=errors,
            backoff_ns=_wait("backoff", self.backoff),
            factor=_number("factor", self.factor, 1, 100),
            cap_ns=_wait("cap", self.cap),
            jitter=_switch("jitter", self.jitter),
            respect_retry_after=_switch("respect_retry_after", self.respect_retry_after),
            methods=methods,
        )


class Breaker(Struct, frozen=True, kw_only=True):
    """Leave a target alone for a while when too many requests fail. Each worker judges each origin by itself.

    A failure is a request without an answer, or with a status of 500 and above.
    """

    failures: float = 0.5  # this share ...
    over: int = 20  # ... of so many requests
    open_for: str | float = "5s"
    half_open: int = 1  # so many probes after it; all must succeed

    def __post_init__(self) -> None:
        self.compile()

    def compile(self) -> BreakerPlan:
        """The struct of plan.json. Raises ValueError where a field cannot be used."""
        failures = _number("failures", self.failures, 0, 1)
        if failures == 0:
            raise ValueError("failures: expected a share above 0 such as 0.5, got 0")
        return BreakerPlan(
            failures=failures,
            over=_count("over", self.over, MAX_WINDOW),
            open_for_ns=_wait("open_for", self.open_for),
            half_open=_count("half_open", self.half_open, MAX_WINDOW),
        )


class Answer(Protocol):
    """What a policy needs of a response."""

    @property
    def status(self) -> int: ...
    @property
    def error(self) -> str | None: ...
    @property
    def headers(self) -> Mapping[str, str]: ...


A = TypeVar("A", bound=Answer)
A_co = TypeVar("A_co", bound=Answer, covariant=True)


class Attempt(Protocol[A_co]):
    """Sends a request once."""

    def __call__(self, method: str, url: str, **options: Any) -> Awaitable[A_co]: ...


class Sender(Protocol[A_co]):
    """What a policy needs of a user."""

    @property
    def rng(self) -> random.Random: ...
    def _send(self, method: str, url: str, **options: Any) -> Awaitable[A_co]: ...
    def _refuse(self, method: str, url: str, options: dict[str, Any], error: str) -> A_co: ...
    def _engine_count(self, name: str) -> None: ...
    def _event(self, kind: str, text: str) -> None: ...


# The policy is the other half of the user: the methods that it calls are private to the two of them.
# ruff: noqa: SLF001


class Policy:
    """The policies of one worker. With neither a retry nor a breaker it sends each request once."""

    def __init__(self, retry: RetryPlan | None, breaker: BreakerPlan | None, base_url: str = "") -> None:
        self._retry = retry
        self._breaker = breaker
        self._base = _origin(base_url)
        self._circuits: dict[str, Circuit] = {}

    @classmethod
    def of(cls, share: ScriptPlan) -> Policy:
        """What a plan asks for."""
        retry = msgspec.convert(share.retry, RetryPlan | None)
        return cls(retry, msgspec.convert(share.breaker, BreakerPlan | None), share.base_url)

    async def send(
        self,
        user: Sender[A],
        method: str,
        url: str,
        options: dict[str, Any],
        attempt: Attempt[A] | None = None,
    ) -> A:
        """One operation. `options["retry"]`, where it is there, is this request's own Retry, or None.

        `attempt` is how each of its requests is sent: as the user's own, unless it is given.
        """
        attempt = attempt or user._send
        retry = self._retry
        if "retry" in options:
            retry = _own(options.pop("retry"))
        circuit = self._circuit(url)
        response = None
        failures = 0
        while True:
            period: int | None = 0
            if circuit is not None:
                period = circuit.admit(monotonic_ns())
                self._tell(user, circuit)
            if period is None:
                # After a failed attempt, that attempt is what the operation brought.
                return response if response is not None else user._refuse(method, url, options, REFUSED)
            user._engine_count("attempts")
            if failures:
                user._engine_count("retries")
            if circuit is None:
                response = await attempt(method, url, **options)
            else:
                response = await self._watched(
                    circuit, period, user, partial(attempt, method, url, **options)
                )
            failures += 1
            if retry is None or not wants_retry(retry, method, response, failures):
                return response
            await asyncio.sleep(wait_s(retry, failures, response, user.rng, datetime.now(UTC)))

    async def _watched(
        self, circuit: Circuit, period: int, user: Sender[A], send: Callable[[], Awaitable[A]]
    ) -> A:
        """One attempt, with its end told to the circuit, however it comes."""
        passed: bool | None = None  # cancelled: nothing is known of the target
        try:
            response = await send()
            passed = 0 < response.status < 500
            return response
        finally:
            circuit.record(period, passed, monotonic_ns())
            self._tell(user, circuit)

    def _circuit(self, url: str) -> Circuit | None:
        if self._breaker is None:
            return None
        origin = self._base if url.startswith("/") else _origin(url) or self._base
        if origin not in self._circuits:
            self._circuits[origin] = Circuit(self._breaker, origin)
        return self._circuits[origin]

    def _tell(self, user: Sender[A], circuit: Circuit) -> None:
        for text in circuit.news():
            user._event("breaker", text)


def wants_retry(plan: RetryPlan, method: str, response: Answer, failures: int) -> bool:
    """Whether another attempt should follow the one that brought this."""
    if failures >= plan.attempts or method.upper() not in plan.methods:
        return False
    return response.status in plan.statuses if response.status else response.error in plan.errors


def wait_s(plan: RetryPlan, failures: int, response: Answer, rng: random.Random, now: datetime) -> float:
    """Seconds until the next attempt, after so many failed ones."""
    if plan.respect_retry_after and (asked_s := retry_after_s(response.headers, now)) is not None:
        return min(asked_s, plan.cap_ns / 1e9)
    # The exponent is bounded so that a float holds the power; the cap is reached long before.
    most_ns = min(plan.backoff_ns * plan.factor ** min(failures - 1, 100), plan.cap_ns)
    return (rng.random() if plan.jitter else 1.0) * most_ns / 1e9


def retry_after_s(headers: Mapping[str, str], now: datetime) -> float | None:
    """What Retry-After asks for: a number of seconds, or a date. None where it is missing or neither."""
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        date = parsedate_to_datetime(value)
    except (ValueError, TypeError):
        return None
    if date.tzinfo is None:  # "-0000"; HTTP dates are in UTC whatever they say
        date = date.replace(tzinfo=UTC)
    return max(0.0, (date - now).total_seconds())


def _own(retry: object) -> RetryPlan | None:
    if retry is None:
        return None
    if not isinstance(retry, Retry):
        raise TypeError(f"retry: expected Retry(...) or None, got {quoted(retry)}")
    return retry.compile()


def _origin(url: str) -> str:
    scheme, separator, rest = url.partition("://")
    authority = rest.partition("/")[0].partition("?")[0].rpartition("@")[2]
    return f"{scheme}://{authority}".lower() if separator else ""


def _count(field: str, value: object, limit: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= limit:
        raise ValueError(f"{field}: expected a whole number from 1 to {limit:,}, got {quoted(value)}")
    return value


def _number(field: str, value: object, least: int, most: int) -> float:
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not least <= value <= most:
        raise ValueError(f"{field}: expected a number from {least} to {most}, got {quoted(value)}")
    return float(value)


def _wait(field: str, value: Any) -> int:
    try:
        ns = parse_duration_ns(value)
    except ValueError as error:
        raise ValueError(f"{field}: {error}") from None
    if ns > MAX_WAIT_NS:
        raise ValueError(f"{field}: expected at most 1h, got {quoted(value)}")
    return ns


def _switch(field: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError(  # noqa: TRY004 - a plan's mistakes are of one kind
            f"{field}: expected True or False, got {quoted(value)}"
        )
    return value


def _list(field: str, value: object, words: str) -> list[object]:
    # A text is a sequence of texts too, and ("GET") is a text.
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise ValueError(  # noqa: TRY004 - as above
            f"{field}: expected a list such as {words}, got {quoted(value)}"
        )
    return list(value)
