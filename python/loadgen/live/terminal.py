"""The live view in a terminal, and plain lines elsewhere. Both write to stderr and never stop a run."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from functools import partial
from typing import TYPE_CHECKING, TextIO

from loadgen.snapshot import busy_share, percentile_ns
from loadgen.units import counted, format_count, format_ns, format_percent, format_rate, printable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rich.console import Group
    from rich.live import Live

    from loadgen.engine_plan import EnginePlan
    from loadgen.progress import Event, Observer, Opening, Progress
    from loadgen.result import Result

PLAIN_EVERY_S = 5
REDRAWS_PER_S = 4
# What goes without saying while one is looking, or comes with the table at the end.
_UNSPOKEN = frozenset({"start", "stage", "gate_shut", "end"})


def make_view(*, live: bool, quiet: bool, stream: TextIO | None = None) -> Observer:
    """The view that suits the place: live in a terminal, lines elsewhere or on request, or nothing."""
    stream = stream or sys.stderr
    if quiet:
        return QuietView(stream)
    plain = not live or not stream.isatty() or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return PlainView(stream) if plain else LiveView(stream)


def describe_plan(plan: EnginePlan) -> str:
    """One line: what is going to happen."""
    asked = {"rate", "users", "stages", "preset", "duration"} & plan.origins.keys()
    what = plan.label
    if plan.script is not None:
        what = ", ".join(scenario.name for scenario in plan.script.scenarios)
    parts = [f"{printable(what)}: {plan.describe_load()}"]
    if not asked and not plan.has_metrics:
        parts[0] += " (the default; --tps sets a rate)"
    parts.append(counted(plan.workers, "worker"))
    if plan.is_open:
        parts.append(f"{plan.pacing} pacing")
    return ", ".join(parts)


class QuietView:
    """Says only what must not be missed."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def begin(self, opening: Opening) -> None:
        """Nothing to say."""

    def progress(self, progress: Progress) -> None:
        """Nothing to say."""

    def event(self, event: Event) -> None:
        """What must not be missed: a record that is lost, books that do not balance."""
        if event.event in ("recording_failed", "books_wrong"):
            self.say(event.text)

    def end(self, result: Result) -> None:
        """Nothing to say."""

    def close(self) -> None:
        """Nothing to put back."""

    def say(self, text: str) -> None:
        """A line. That nobody reads it any more is no reason to stop a load."""
        with contextlib.suppress(OSError):
            print(text, file=self._stream, flush=True)


class PlainView(QuietView):
    """A line every few seconds."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._next_s = float(PLAIN_EVERY_S)
        self._figures: Callable[[Progress], Figures] = Figures

    def begin(self, opening: Opening) -> None:
        """What is going to happen."""
        self._figures = figures_of(opening.plan)
        if opening.note:
            self.say(opening.note)
        self.say(describe_plan(opening.plan))

    def progress(self, progress: Progress) -> None:
        """The last second, every five: a log is read later, and by people."""
        if progress.elapsed_s + 0.5 < self._next_s:
            return
        self._next_s = progress.elapsed_s + PLAIN_EVERY_S
        figures = self._figures(progress)
        rates, requests = figures.rates(), figures.requests()
        if requests:  # two counts in one line
            rates[0], requests[0] = (
                f"{name} {part}" for name, part in zip(figures.names, (rates[0], requests[0]), strict=True)
            )
        deliveries = figures.deliveries()
        if deliveries:
            deliveries[0] = f"delivery {deliveries[0]}"
        parts = [f"{progress.elapsed_s:6.0f} s", *rates, *requests, *figures.response(), *deliveries]
        self.say("  ".join([*parts, *figures.trouble()]))

    def event(self, event: Event) -> None:
        """With its time."""
        if event.event not in _UNSPOKEN:
            self.say(f"{event.at_s:6.1f} s  {event.text}")


class LiveView(QuietView):
    """A few lines that are drawn again and again, in place."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._live: Live | None = None
        self._title = ""
        self._figures: Callable[[Progress], Figures] = Figures
        self._length_s = 1.0
        self._begun = 0.0
        self._over = False
        self._progress: Progress | None = None

    def begin(self, opening: Opening) -> None:
        """Start to draw."""
        from rich.console import Console  # heavy, and of no use where nobody looks
        from rich.live import Live

        if opening.note:
            self.say(opening.note)
        self.say(describe_plan(opening.plan))
        self._figures = figures_of(opening.plan)
        self._title, self._length_s = printable(opening.plan.name), opening.plan.duration_ns / 1e9
        self._begun = time.monotonic()
        console = Console(file=self._stream, highlight=False)
        self._live = Live(
            console=console, get_renderable=self._draw, refresh_per_second=REDRAWS_PER_S, transient=True
        )
        self._live.start()

    def progress(self, progress: Progress) -> None:
        """Kept for the next drawing."""
        self._progress = progress

    def event(self, event: Event) -> None:
        """Above the drawing, where it stays."""
        self._over = self._over or event.event == "gate_shut"  # after Ctrl-C, before its time
        if event.event not in _UNSPOKEN:
            self.say(f"{event.at_s:6.1f} s  {event.text}")

    def close(self) -> None:
        """Give the terminal back as it was."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def say(self, text: str) -> None:
        """A line, above the drawing where there is one."""
        if self._live is None:
            super().say(text)
        else:
            with contextlib.suppress(OSError):
                self._live.console.print(text, markup=False)

    def _draw(self) -> Group:
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        elapsed_s = time.monotonic() - self._begun
        left = (
            "the load is over"
            if self._over or elapsed_s > self._length_s
            else f"{self._length_s - elapsed_s:.0f} s left"
        )
        head = Table.grid(padding=(0, 2), expand=False)
        bar = ProgressBar(total=self._length_s, completed=min(elapsed_s, self._length_s), width=30)
        head.add_row(Text(self._title, style="bold", no_wrap=True, overflow="ellipsis"), bar, left)
        if self._progress is None:
            return Group(head)
        figures = self._figures(self._progress)
        rows = Table.grid(padding=(0, 3))
        for name, cells in (
            (figures.names[0], figures.rates()),
            (figures.names[1], figures.requests()),
            ("response", figures.response()),
            ("delivery", figures.deliveries()),
            ("trouble", figures.trouble()),
            ("generator", figures.generator()),
        ):
            if not cells:
                continue
            rows.add_row(Text(name, style="dim"), *(Text(cell, no_wrap=True) for cell in cells))
        return Group(head, rows)


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

    def __init__(self, progress: Progress, *, scripted: bool = False, in_iterations: bool = False) -> None:
        if scripted or in_iterations:
            self.names = ("iterations", "requests")
        self._progress = progress
        self._scripted = scripted
        self._in_iterations = scripted or in_iterations
        self._counters = progress.interval.counters
        self._seconds = max(progress.interval_s, 1e-9)

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
            f"{format_count(self._progress.now['connections'])} connections",
        ]
