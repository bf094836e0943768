"""The books of a run: arrivals and requests add up exactly, also when a worker died. Reads snapshots only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from loadgen.result import Arrivals, LabelResult, Latencies, Phases, Requests
from loadgen.snapshot import EMPTY, Histogram, Latency, percentile_ns, statistic_ns, summarise

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# Our names for the engine's kinds of histogram, where they differ.
_ENGINE_KIND = {"connection_wait": "pool_wait"}


class Counts(Protocol):
    """What is needed of `loadgen._engine.Snapshot`."""

    @property
    def counters(self) -> Mapping[str, int]: ...
    @property
    def statuses(self) -> Mapping[int, int]: ...
    @property
    def errors(self) -> Mapping[str, int]: ...
    @property
    def labels(self) -> Sequence[str]: ...
    def label_counters(self, label: str) -> Mapping[str, int]: ...
    def label_statuses(self, label: str) -> Mapping[int, int]: ...
    def label_errors(self, label: str) -> Mapping[str, int]: ...
    def histogram(self, kind: str, label: str | None = None) -> Histogram: ...


class Ledger:
    """The final snapshot, balanced.

    A worker that was killed leaves three gaps, and each is closed by counting, never by guessing:

        arrivals of its share that it never took          `abandoned`, from the schedule   -> cancelled
        taken, but killed before it was sent              scheduled - sent - ...           -> cancelled
        sent, but killed before the outcome               sent - ok - failed               -> unfinished

    None of them is in a histogram, so each enters the percentiles as a sample that never ended.
    """

    def __init__(
        self,
        snapshot: Counts,
        *,
        abandoned: int = 0,
        worker_lost: bool = False,
        sent_in_time: int,
        load_s: float,
    ) -> None:
        self.snapshot = snapshot
        self._rate_per_s = sent_in_time / load_s
        self._load_s = load_s
        counters = snapshot.counters
        sent, ok, failed = counters["sent"], counters["ok"], counters["failed"]
        untaken = counters["scheduled"] - sent - counters["dropped"] - counters["cancelled"]
        self.arrivals = Arrivals(
            scheduled=counters["scheduled"] + abandoned,
            sent=sent,
            completed=ok,
            failed=failed,
            dropped=counters["dropped"],
            cancelled=counters["cancelled"] + abandoned + (untaken if worker_lost else 0),
            unfinished=sent - ok - failed,
        )
        self.requests = _requests(counters, snapshot.statuses, snapshot.errors)
        response, service = snapshot.histogram("response"), snapshot.histogram("service")
        self._lost = {
            "response": self.arrivals.scheduled - response.count - response.infinite,
            "service": self.arrivals.sent - service.count - service.infinite,
        }
        self._of_label = {
            label: _requests(
                snapshot.label_counters(label), snapshot.label_statuses(label), snapshot.label_errors(label)
            )
            for label in snapshot.labels
        }
        self.errors = self._check(worker_lost)

    def _check(self, worker_lost: bool) -> list[str]:
        """Identities that do not hold. A worker killed between two counters may leave them one apart."""
        errors = []
        arrivals = self.arrivals
        if arrivals.scheduled != arrivals.sent + arrivals.dropped + arrivals.cancelled:
            errors.append(
                f"scheduled {arrivals.scheduled} is not sent {arrivals.sent} + dropped {arrivals.dropped} "
                f"+ cancelled {arrivals.cancelled}"
            )
        if arrivals.unfinished < 0:
            errors.append(f"sent {arrivals.sent} is below ok {arrivals.completed} + failed {arrivals.failed}")
        for kind, missing in self._lost.items():
            if missing and not worker_lost:
                errors.append(f"{missing} samples are missing in the {kind} histogram")
            self._lost[kind] = max(0, missing)
        return errors

    def lost(self, kind: str, label: str | None) -> int:
        """Samples of a kind that died with their worker. With one label they are that label's."""
        if label is not None and len(self.snapshot.labels) > 1:
            return 0
        return self._lost.get(kind, 0)

    def histogram(self, kind: str, label: str | None = None) -> Histogram:
        """A histogram by our name for it."""
        return self.snapshot.histogram(_ENGINE_KIND.get(kind, kind), label)

    def latency(self, kind: str, label: str | None = None) -> Latency:
        """One distribution for the summary."""
        return summarise(self.histogram(kind, label), self.lost(kind, label))

    def percentile_ns(self, kind: str, percent: float) -> float | None:
        """A percentile of the whole run; None where too few samples support it."""
        return percentile_ns(self.histogram(kind), percent, self.lost(kind, None))

    def latencies(self, label: str | None = None) -> Latencies:
        """The three, side by side."""
        return Latencies(
            response=self.latency("response", label),
            service=self.latency("service", label),
            lateness=self.latency("lateness", label),
        )

    def phases(self) -> Phases:
        """Names are resolved before a run, and there is no TLS yet: both are empty."""
        return Phases(
            dns=EMPTY,
            connect=self.latency("connect"),
            tls=EMPTY,
            first_byte=self.latency("first_byte"),
            receive=self.latency("receive"),
        )

    def labels(self) -> list[LabelResult]:
        """Each label's share."""
        return [
            LabelResult(label=label, requests=requests, latency=self.latencies(label))
            for label, requests in self._of_label.items()
        ]

    # What thresholds ask (thresholds.Figures).

    def latency_ms(self, kind: str, statistic: str, label: str | None) -> float | None:
        """A statistic in ms; None for no data."""
        if label is not None and label not in self.snapshot.labels:
            return None
        value = statistic_ns(self.histogram(kind, label), statistic, self.lost(kind, label))
        return None if value is None else value / 1e6

    def count(self, name: str, label: str | None) -> int | None:
        """A count; None for no data: a label that was never seen, or errors where nothing was sent."""
        requests = self.requests if label is None else self._of_label.get(label)
        if requests is None:
            return None
        if name.startswith("errors."):
            return requests.errors.get(name.removeprefix("errors."), 0) if requests.total else None
        values = {
            "requests": requests.total,
            "ok": requests.ok,
            "errors": requests.total - requests.ok if requests.total else None,
            "dropped": self.arrivals.dropped,
            "cancelled": self.arrivals.cancelled,
            "unfinished": requests.total - requests.ok - requests.failed,
        }
        return values[name]

    def rate_per_s(self, label: str | None) -> float | None:
        """Requests sent per second while the load was on."""
        if label is None:
            return self._rate_per_s
        sent = self.count("requests", label)
        return None if sent is None else sent / self._load_s


def _requests(
    counters: Mapping[str, int], statuses: Mapping[int, int], errors: Mapping[str, int]
) -> Requests:
    return Requests(
        total=counters["sent"],
        ok=counters["ok"],
        failed=counters["failed"],
        bytes_sent=counters["bytes_sent"],
        bytes_received=counters["bytes_received"],
        status={str(status): count for status, count in sorted(statuses.items()) if count},
        errors={kind: count for kind, count in sorted(errors.items()) if count},
    )
