"""The live view in a terminal, and plain lines elsewhere. Both write to stderr; neither can break a run."""

from __future__ import annotations

import contextlib
import math
import os
import sys
import time
from functools import partial
from typing import TYPE_CHECKING, TextIO

from loadgen.errors import ControlRefused
from loadgen.live.curve import Curve
from loadgen.live.figures import Figures, figures_of
from loadgen.live.orders import obey, order_of
from loadgen.live.standing import Changes
from loadgen.report.columns import fitted
from loadgen.units import counted, format_duration, format_ns, format_rate

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console, Group
    from rich.live import Live

    from loadgen.control import Control
    from loadgen.engine_plan import EnginePlan
    from loadgen.live.keys import Keyboard
    from loadgen.progress import Event, Observer, Opening, Progress
    from loadgen.result import Result

PLAIN_EVERY_S = 5
REDRAWS_PER_S = 4
SHORTEST_S = 0.5
MOST_OF_A_NAME = 200
# What goes without saying while one is looking, or comes with the table at the end.
_UNSPOKEN = frozenset({"start", "stage", "gate_shut", "end"})


def make_view(
    *, live: bool, quiet: bool, stream: TextIO | None = None, keyboard: Keyboard | None = None
) -> Observer:
    """The view that suits the place: live in a terminal, lines elsewhere or on request, or nothing."""
    stream = stream or sys.stderr
    if quiet:
        return QuietView(stream)
    plain = not live or not stream.isatty() or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return PlainView(stream) if plain else LiveView(stream, keyboard)


def describe_plan(plan: EnginePlan) -> str:
    """One line: what is going to happen."""
    asked = {"rate", "users", "stages", "preset", "duration"} & plan.origins.keys()
    what = plan.label
    if plan.script is not None:
        what = ", ".join(scenario.name for scenario in plan.script.scenarios)
    parts = [f"{fitted(what, MOST_OF_A_NAME)}: {plan.describe_load()}"]
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
        self._changes = Changes()
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
        for change in self._changes.since_last(progress):
            self.say(f"{progress.elapsed_s:6.1f} s  {change}")

    def event(self, event: Event) -> None:
        """With its time."""
        if event.event not in _UNSPOKEN:
            self.say(f"{event.at_s:6.1f} s  {event.text}")


class LiveView(QuietView):
    """A few lines that are drawn again and again, in place; by keys the load can be changed."""

    def __init__(self, stream: TextIO, keyboard: Keyboard | None = None) -> None:
        super().__init__(stream)
        self._live: Live | None = None
        self._title = ""
        self._figures: Callable[[Progress], Figures] = Figures
        self._length_s = 1.0
        self._begun = 0.0
        self._over = False
        self._progress: Progress | None = None
        self._rate, self._p99 = Curve(format_rate), Curve(format_ns)
        self._control: Control | None = None
        self._keyboard = keyboard

    def begin(self, opening: Opening) -> None:
        """Start to draw."""
        if opening.note:
            self.say(opening.note)
        self.say(describe_plan(opening.plan))
        self._figures = figures_of(opening.plan)
        self._title, self._length_s = opening.plan.name, opening.plan.duration_ns / 1e9
        self._begun = time.monotonic()
        self._start_drawing()
        self._control = opening.control
        if self._keyboard is not None:
            self._keyboard.start(self._hear, self._stop_drawing, self._start_drawing)

    def _start_drawing(self) -> None:
        from rich.console import Console  # heavy, and of no use where nobody looks
        from rich.live import Live

        console = Console(file=self._stream, highlight=False, emoji=False)
        self._live = Live(
            console=console,
            get_renderable=partial(self._draw, console),
            refresh_per_second=REDRAWS_PER_S,
            transient=True,
        )
        self._live.start()

    def progress(self, progress: Progress) -> None:
        """Kept for the next drawing."""
        self._progress = progress
        if self._keyboard is not None:
            self._keyboard.look()
        # A look at the end of the load may be at next to nothing, which has no rate.
        if progress.phase == "load" and progress.interval_s > SHORTEST_S:
            figures = self._figures(progress)
            self._rate.add(figures.rate_per_s())
            self._p99.add(figures.p99_ns())

    def event(self, event: Event) -> None:
        """Above the drawing, where it stays."""
        self._over = self._over or event.event == "gate_shut"  # after Ctrl-C, before its time
        if event.event not in _UNSPOKEN:
            self.say(f"{event.at_s:6.1f} s  {event.text}")

    def close(self) -> None:
        """Give the terminal back as it was."""
        if self._keyboard is not None:
            self._keyboard.stop()
        self._stop_drawing()

    def _stop_drawing(self) -> None:
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

    def _hear(self, key: str) -> None:
        if self._control is None:
            return
        order = order_of(key, self._control.state)
        try:
            if order is not None:
                obey(order, self._control)
        except ControlRefused as refused:
            self.say(refused.message)

    def _draw(self, console: Console) -> Group:
        from rich.console import Group

        from loadgen.live import drawing

        elapsed_s = time.monotonic() - self._begun
        left_s = max(0.0, self._length_s - elapsed_s)
        is_over = self._over or not left_s
        left = "the load is over" if is_over else f"{format_duration(math.ceil(left_s) * 1e9)} left"
        state = self._control.state if self._control is not None else None
        if state is not None and state.paused and not is_over:
            left = f"paused, {left}"
        keys = drawing.keys(state) if state and self._keyboard and self._keyboard.is_read else []
        head = drawing.head(self._title, elapsed_s, self._length_s, left)
        if self._progress is None:
            return Group(head, *keys)
        figures = self._figures(self._progress)
        return Group(
            head,
            drawing.curves(console, ("rate", self._rate, f"{figures.pace}, "), ("p99", self._p99, "")),
            drawing.figures(console, figures),
            *drawing.thresholds(console, self._progress.thresholds),
            *keys,
        )
