"""Client policies at work: a request is tried again, or not sent at all. Opens no connection.

The engine times and counts every attempt. A script sees the operation: what the last attempt brought.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import msgspec

from loadgen._engine import monotonic_ns
from loadgen.circuit import BreakerPlan, Circuit
from loadgen.retry import Answer, Retry, RetryPlan, wait_s, wants_retry
from loadgen.units import quoted

if TYPE_CHECKING:
    from loadgen.engine_plan import ScriptPlan

REFUSED = "breaker_open"

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
