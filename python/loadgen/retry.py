"""Retries: what is asked for once more, and after how long. Pure: it sends nothing and never waits."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cached_property
from typing import Protocol

from msgspec import Struct

from loadgen.policy_fields import check_count, check_list, check_number, check_switch, check_wait
from loadgen.units import quoted

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
_METHOD = re.compile(r"[A-Z]+")
MAX_ATTEMPTS = 100


class Answer(Protocol):
    """What a policy needs of a response."""

    @property
    def status(self) -> int: ...
    @property
    def error(self) -> str | None: ...
    @property
    def headers(self) -> Mapping[str, str]: ...


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
        for index, kind in enumerate(check_list("on", self.on, "(429, 503)")):
            if isinstance(kind, int) and not isinstance(kind, bool) and 100 <= kind <= 599:
                statuses.append(kind)
            elif isinstance(kind, str) and kind in _ERRORS:
                errors.append(kind)
            else:
                raise ValueError(
                    f"on[{index}]: expected a status such as 503 or one of {', '.join(_ERRORS)}, "
                    f"got {quoted(kind)}"
                )
        for index, method in enumerate(check_list("methods", self.methods, '("GET", "PUT")')):
            if not isinstance(method, str) or not _METHOD.fullmatch(method.upper()):
                raise ValueError(f'methods[{index}]: expected a method such as "GET", got {quoted(method)}')
            methods.append(method.upper())
        return RetryPlan(
            attempts=check_count("attempts", self.attempts, MAX_ATTEMPTS),
            statuses=statuses,
            errors=errors,
            backoff_ns=check_wait("backoff", self.backoff),
            factor=check_number("factor", self.factor, 1, 100),
            cap_ns=check_wait("cap", self.cap),
            jitter=check_switch("jitter", self.jitter),
            respect_retry_after=check_switch("respect_retry_after", self.respect_retry_after),
            methods=methods,
        )


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
