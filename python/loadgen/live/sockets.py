"""The last interval of a run of sockets in words: how many are open, what goes each way, how fast."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loadgen.live.figures import Figures
from loadgen.snapshot import counted_by_name, percentile_ns
from loadgen.units import counted, format_bytes, format_count, format_ns, format_rate

if TYPE_CHECKING:
    from loadgen.progress import Progress


# What is told of the whole run, where there was any, and in which word.
_TROUBLE = {"sockets lost": "lost", "missing": "missing", "repeated": "repeated"}


class SocketFigures(Figures):
    """The same rows as of requests, with other words in them."""

    names = ("sockets", "messages")
    pace = "received"

    def __init__(self, progress: Progress, asked: int) -> None:
        super().__init__(progress)
        self._asked = asked
        self._total = counted_by_name(progress.total)
        self._grown = counted_by_name(progress.interval)

    def rate_per_s(self) -> float:
        """Messages that came."""
        return max(0, self._grown.get("messages received", 0)) / self._seconds

    def p99_ns(self) -> float | None:
        """Of deliveries, where there are any."""
        interval = self._progress.interval
        if "delivery" in interval.labels and (found := interval.histogram("response", "delivery")).count:
            return found.percentile(99.0)
        return super().p99_ns()

    def rates(self) -> list[str]:
        """Open ones, and how fast more are opened."""
        now_open = self._progress.now["connections"]
        if self._progress.phase == "drain":
            return [f"closing {counted(now_open, 'socket')}"]
        parts = [f"{format_count(now_open)} of {format_count(self._asked)} open"]
        if opened := self._grown.get("sockets opened", 0):
            parts.append(f"opening {format_rate(opened / self._seconds)}")
        if again := self._total.get("reconnects", 0):
            parts.append(f"reconnects {format_count(again)}")
        return parts

    def requests(self) -> list[str]:
        """Messages each way."""
        if self._progress.phase == "drain":
            return []
        return [
            f"sent {self._rate('messages sent')}",
            f"received {self._rate('messages received')}",
            f"{format_bytes(self._grown.get('bytes received', 0) / self._seconds)}/s",
        ]

    def deliveries(self) -> list[str]:
        """How long messages and round trips took, where there were any."""
        found = []
        for label, percents in (("delivery", (50.0, 99.0)), ("ping", (50.0,))):
            if label not in self._progress.interval.labels:
                continue
            histogram = self._progress.interval.histogram("response", label)
            name = "" if label == "delivery" else f"{label} "
            if histogram.count:
                found += [f"{name}p{one:g} {format_ns(percentile_ns(histogram, one))}" for one in percents]
        return found

    def trouble(self) -> list[str]:
        """Failures, and what was lost, since the start."""
        found = ((word, self._total.get(name, 0)) for name, word in _TROUBLE.items())
        told = [f"{word} {format_count(count)}" for word, count in found if count > 0]
        return [*super().trouble(), *told]

    def _rate(self, name: str) -> str:
        return format_rate(max(0, self._grown.get(name, 0)) / self._seconds)
