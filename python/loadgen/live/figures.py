"""The last interval of a run in words and numbers, the same for all views. It draws nothing."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from loadgen.snapshot import busy_share, percentile_ns
from loadgen.units import counted, format_count, format_ns, format_percent, format_rate

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from loadgen.engine_plan import EnginePlan
    from loadgen.progress import Progress


def iterations_under_way(counters: Mapping[str, int]) -> int:
    """Begun, and not ended yet."""
    return counters["iterations_started"] - counters["iterations_ok"] - counters["iterations_failed"]


def figures_of(plan: EnginePlan) -> Callable[[Progress], Figures]:
    """How to tell of a run of this plan."""
    if plan.sockets is not None:
        from loadgen.live.sockets import SocketFigures  # which is made of what stands below

        return partial(SocketFigures, asked=plan.connections)
    return partial(Figures, scripted=plan.script is not None, in_iterations=plan.counts_iterations)


class Figures:
    """The last interval in words, the same for both views."""

    names = ("requests", "requests")  # what rates() and requests() are of
    pace = "sent"  # what rate_per_s() is of

    def __init__(self, progress: Progress, *, scripted: bool = False, in_iterations: bool = False) -> None:
        if scripted or in_iterations:
            self.names = ("iterations", "requests")
            self.pace = "begun"
        self._progress = progress
        self._scripted = scripted
        self._in_iterations = scripted or in_iterations
        self._counters = progress.interval.counters
        self._seconds = max(progress.interval_s, 1e-9)

    def rate_per_s(self) -> float:
        """One number for the pace of it all."""
        return self._counters["iterations_started" if self._in_iterations else "sent"] / self._seconds

    def p99_ns(self) -> float | None:
        """One number for how it is answered; of few samples it is the largest."""
        return self._progress.interval.histogram("response").percentile(99.0)

    def rates(self) -> list[str]:
        """Sent against wanted, and answered well, or iterations; after the load, what is left."""
        progress = self._progress
        if progress.phase == "drain":
            what, count = "response", progress.now["in_flight"]
            if self._in_iterations:
                what, count = "iteration", iterations_under_way(progress.total.counters)
            return [f"waiting for {counted(count, what)}"]
        names = (
            ("begun", "iterations_started", "iterations_ok")
            if self._in_iterations
            else ("sent", "sent", "ok")
        )
        sent = f"{names[0]} {format_rate(self._counters[names[1]] / self._seconds)}"
        if progress.target_rate_per_s is not None:
            sent += f" of {format_rate(progress.target_rate_per_s)}"
        parts = [sent, f"ok {format_rate(self._counters[names[2]] / self._seconds)}"]
        if self._scripted:
            parts.append(counted(progress.now["users"], "user"))
        elif progress.target_users is not None:
            parts.append(counted(progress.now["active_users"], "user"))
        return parts

    def requests(self) -> list[str]:
        """What iterations send, which is any number of requests."""
        if not self._in_iterations or self._progress.phase == "drain":
            return []
        return [f"sent {format_rate(self._counters['sent'] / self._seconds)}"]

    def response(self) -> list[str]:
        """Percentiles of the response time."""
        histogram = self._progress.interval.histogram("response")
        return [
            f"p{percent:g} {format_ns(percentile_ns(histogram, percent))}" for percent in (50.0, 99.0)
        ] + [f"max {format_ns(histogram.max_ns)}"]

    def deliveries(self) -> list[str]:
        """How long messages took that nobody asked for: of sockets."""
        return []

    def trouble(self) -> list[str]:
        """Failures of the whole run, and what waits now."""
        total = self._progress.total.counters
        parts = [f"errors {format_count(total['failed'])}"]
        if self._in_iterations:
            parts += self._iteration_trouble(total)
        if self._progress.now["overdue"]:
            parts.append(f"overdue {format_count(self._progress.now['overdue'])}")
        if total["dropped"]:
            parts.append(f"dropped {format_count(total['dropped'])}")
        return parts

    def _iteration_trouble(self, total: Mapping[str, int]) -> list[str]:
        """Iterations and checks that failed, since the start."""
        checks = sum(failed for kind, _, _, failed, *_ in self._progress.total.tallies if kind == "check")
        found = (("failed iterations", total["iterations_failed"]), ("failed checks", checks))
        return [f"{name} {format_count(count)}" for name, count in found if count]

    def generator(self) -> list[str]:
        """The generator's own work."""
        counters = self._counters
        share = busy_share(counters)
        busy = "-" if share is None else format_percent(share)
        # Its own part of it: waiting for a connection is not its work.
        lateness = percentile_ns(self._progress.interval.histogram("dispatch"), 99.0)
        return [
            f"busy {busy}",
            f"p99 lateness {format_ns(lateness)}",
            counted(self._progress.now["connections"], "connection"),
        ]
