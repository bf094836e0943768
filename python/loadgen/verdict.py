"""The verdict on the generator itself: valid, degraded or client-limited. Pure: from figures to reasons.

    figure                                    valid up to          client-limited
    share of sends more than 1 ms late        0.1 %                -
    p99 lateness                              max(50 µs, 5 % of    -
                                              the p50 response)
    p99 lateness, as a share of the p99       20 %                 above, if it is more than 1 ms
    response and of what service leaves of it
    adherence: sent of what was due           99.9 %               below 95 %
    dropped for being late                    none                 above 0.1 %
    failed for want of descriptors or ports   none                 above 0.1 %
    busy share of the busiest worker          80 %                 -
    steal, run-queue wait, throttling         1 %, 5 %, none       -
    waited for a connection, cap reached      0.1 %                -      (also in the closed model)

What is past the first bound is degraded. Causes (busy, steal, throttling) alone never make a run invalid:
what they did to the measurement shows in lateness and adherence, and only that makes the numbers wrong.
Spinning for precision is not busy.

Where a worker runs a script, the user's Python code shares its thread. Where that took half of the time or
more, or a call in it blocked, it is named as the cause of what the schedule suffered, with the same weight.
In the closed model nothing is due, but responses wait to be read by a thread that is busy with the code of
other users: there more than 80 % of the time in it is the generator's limit, unless each worker has but one
user. A call that blocked is named in any case.

Lateness here is the generator's own: all of it, but for the wait for connections that were being made, where
the time that connecting took explains it. That is the network and the target. Adherence knows no such excuse:
a load that was not sent is no load, whoever is to blame.

Short runs must not flap. A share is judged only when at least TEN events speak for it: in a hundred requests
one late send would be 1 %. The p99s need the samples that any p99 needs. And shares of processor time, which
the kernel counts in ticks of 10 ms, are judged from one second on. Lateness makes a p99 wrong from 1 ms up
only: on a quiet loopback target, where everything takes 100 µs, the ordinary wake-up latency of Linux is
already 20 % of it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

from loadgen.units import format_count, format_ns, format_percent

GeneratorVerdict = Literal["valid", "degraded", "client-limited"]

TEN = 10
MOST_BLOCKED = 3
MUCH_OF_THE_CORE = 0.5
_MS = 1_000_000


class GeneratorFigures(Struct, frozen=True, kw_only=True):
    """What the verdict is made of. None: not known, or too few samples to know."""

    open_model: bool
    load_s: float  # how long the load was on
    due: int  # arrivals due while the load was on
    sent_in_time: int  # of these, sent before the gate shut
    sent: int
    late_1ms: int = 0  # sends that the generator itself delayed by more
    dropped: int = 0
    percent: float = 99  # what the p99s below are percentiles of: scripts may have too few iterations
    lateness_p99_ns: float | None = None  # the generator's own
    response_p50_ns: float | None = None
    response_p99_ns: float | None = None
    service_p99_ns: float | None = None
    waited_for_connection: int = 0
    connecting: bool = False  # connections being made explain that; they are not in late_1ms and lateness_p99
    cap_reached: int | None = None  # the cap on connections, where it was reached
    own_errors: int = 0  # requests that failed for want of descriptors or ports
    busy: float | None = None  # of the busiest worker, spinning not counted
    steal: float | None = None
    run_queue: float | None = None  # of the worker that waited most
    throttled: float | None = None
    iterations: int | None = None  # of a script: what is due and late are these, and so many were begun
    script_share: float | None = None  # of the time in scenario code, of the worker that spent most
    users_per_worker: float = 0  # planned at most
    blocked: Sequence[str] = ()  # calls in it that blocked, in words, the longest first


def judge_generator(figures: GeneratorFigures) -> tuple[GeneratorVerdict, list[str]]:
    """The verdict, and why, the worst first."""
    limited: list[str] = []
    degraded: list[str] = []
    if figures.open_model:
        _judge_schedule(figures, limited, degraded)
    _judge_script(figures, limited, degraded)
    _judge_own_errors(figures, limited, degraded)
    _judge_cap(figures, degraded)
    _judge_machine(figures, degraded)
    verdict: GeneratorVerdict = "client-limited" if limited else "degraded" if degraded else "valid"
    return verdict, limited + degraded


def _judge_script(figures: GeneratorFigures, limited: list[str], degraded: list[str]) -> None:
    """Goes before what it causes, with the same weight."""
    share = figures.script_share if figures.script_share is not None and figures.load_s >= 1 else 0.0
    causes = list(figures.blocked[:MOST_BLOCKED])
    if share >= MUCH_OF_THE_CORE and (limited or degraded):
        causes.insert(0, _script_took(share))
    elif share > 0.8:
        causes.insert(0, _script_took(share))
        if not figures.open_model and figures.users_per_worker > 1:
            limited[:0] = causes
            return
    (limited or degraded)[:0] = causes


def _script_took(share: float) -> str:
    return f"scenario code took {format_percent(share)} of the core"


def _judge_schedule(figures: GeneratorFigures, limited: list[str], degraded: list[str]) -> None:
    missed = figures.due - figures.sent_in_time - figures.dropped
    adherence = (figures.due - missed) / figures.due if figures.due else 1.0
    if missed >= TEN and adherence < 0.999:
        text = f"only {format_percent(adherence)} of what was due was sent in time{_pool(figures)}"
        (limited if adherence < 0.95 else degraded).append(text)
    if figures.dropped:
        share = figures.dropped / figures.due if figures.due else 1.0
        what = "requests" if figures.iterations is None else "iterations"
        text = f"{format_count(figures.dropped)} {what} ({format_percent(share)}) were dropped for being late"
        (limited if share > 0.001 and figures.dropped >= TEN else degraded).append(text)
    _judge_lateness(figures, limited, degraded)


def _judge_lateness(figures: GeneratorFigures, limited: list[str], degraded: list[str]) -> None:
    lateness = figures.lateness_p99_ns
    if lateness is not None and _makes_the_p99(figures, lateness):
        response, service = format_ns(figures.response_p99_ns), format_ns(figures.service_p99_ns)
        what = "what was never sent" if response == "∞" else "the generator's lateness"
        limited.append(
            f"{what} makes the {_p(figures)}: response {response}, service {service}{_pool(figures)}"
        )
    what, sent = ("requests were sent", figures.sent)
    if figures.iterations is not None:
        what, sent = ("iterations were begun", figures.iterations)
    if figures.late_1ms >= TEN and figures.late_1ms / max(sent, 1) > 0.001:
        degraded.append(f"{format_percent(figures.late_1ms / sent)} of {what} more than 1 ms late")
    if lateness is not None and figures.percent == 99:
        allowed = max(50_000, 0.05 * (figures.response_p50_ns or 0))
        if lateness > allowed:
            why = " (5 % of the median response)" if allowed > 50_000 else ""
            degraded.append(
                f"{_p(figures)} lateness is {format_ns(lateness)}, above {format_ns(allowed)}{why}"
            )


def _p(figures: GeneratorFigures) -> str:
    return f"p{figures.percent:g}"


def _makes_the_p99(figures: GeneratorFigures, lateness: float) -> bool:
    response, service = figures.response_p99_ns, figures.service_p99_ns
    # Where the service time has no finite p99, it is failures that decide the p99, not lateness.
    if response is None or service is None or math.isinf(service):
        return False
    if math.isinf(response):  # what was never sent decides
        return not (figures.connecting and lateness <= _MS)
    return min(lateness, response - service) > max(0.2 * response, _MS)


def _pool(figures: GeneratorFigures) -> str:
    """Names the cause where it is connections: it is the commonest one."""
    if figures.cap_reached is not None or figures.waited_for_connection < 0.01 * max(figures.sent, 1):
        return ""
    share = format_percent(figures.waited_for_connection / figures.sent)
    return f" ({share} of sends waited for a connection to be made)"


def _judge_cap(figures: GeneratorFigures, degraded: list[str]) -> None:
    share = figures.waited_for_connection / max(figures.sent, 1)
    if figures.cap_reached is not None and figures.waited_for_connection >= TEN and share > 0.001:
        degraded.append(
            f"{format_percent(share)} of sends waited for a free connection; "
            f"the cap is {format_count(figures.cap_reached)}"
        )


def _judge_own_errors(figures: GeneratorFigures, limited: list[str], degraded: list[str]) -> None:
    if figures.own_errors:
        count = format_count(figures.own_errors)
        text = f"{count} requests failed for want of descriptors or ports on this machine"
        share = figures.own_errors / max(figures.sent, 1)
        (limited if share > 0.001 and figures.own_errors >= TEN else degraded).append(text)


def _judge_machine(figures: GeneratorFigures, degraded: list[str]) -> None:
    if figures.load_s < 1:
        return
    if figures.busy is not None and figures.busy > 0.8:
        degraded.append(
            f"a worker was busy {format_percent(figures.busy)} of the time (above 80 %): add workers"
        )
    if figures.steal is not None and figures.steal > 0.01:
        degraded.append(f"the hypervisor took {format_percent(figures.steal)} of the processor (steal)")
    if figures.run_queue is not None and figures.run_queue > 0.05:
        degraded.append(
            f"a worker waited {format_percent(figures.run_queue)} of the time for a processor (run queue)"
        )
    if figures.throttled:
        degraded.append(
            f"the container's processor quota held it back {format_percent(figures.throttled)} of the time"
        )
