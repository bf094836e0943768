"""The books of a run: arrivals and requests add up exactly, also when a worker died. Reads snapshots only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, cast

from loadgen.result import Arrivals, CheckResult, Gauge, LabelResult, Latencies, Phases, Requests
from loadgen.snapshot import Histogram, Latency, percentile_ns, statistic_ns, summarise

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from loadgen.result import LabelKind, Metric, MetricKind

_REQUESTS = ("sent", "ok", "failed")
_ITERATIONS = ("iterations_started", "iterations_ok", "iterations_failed")
# Where a tally holds which statistic.
_STATISTICS = {
    "counter": {"sum": 0, "count": 1},
    "gauge": {"last": 0, "min": 1, "max": 2, "count": 3},
    "rate": {"share": 0, "count": 1},
}
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
    def role(self, label: str) -> str: ...
    def role_histogram(self, role: str, kind: str) -> Histogram: ...
    @property
    def tallies(self) -> Sequence[tuple[str, str, float, float, float, float]]: ...


class Ledger:
    """The final snapshot, balanced.

    A worker that was killed leaves three gaps, and each is closed by counting, never by guessing:

        arrivals of its share that it never took          `abandoned`, from the schedule   -> cancelled
        taken, but killed before it was sent              scheduled - sent - ...           -> cancelled
        sent, but killed before the outcome               sent - ok - failed               -> unfinished

    None of them is in a histogram, so each enters the percentiles as a sample that never ended.

    In blast an arrival is a request. Of a script it is an iteration, and so it is where a blast may take
    several requests for it (`scripted` means both). Then there are two books: one of iterations, in which
    `sent` are those that were begun, and one of requests, which no schedule knows of:

        scheduled = sent + dropped + cancelled        sent = completed + failed + unfinished
        requests.total = ok + failed + what had not ended

    Of sockets, arrivals are the requests of some labels; the others are beyond what the schedule knows of:

        requests.total = arrivals.sent + requests beyond
    """

    def __init__(
        self,
        snapshot: Counts,
        *,
        scripted: bool = False,
        abandoned: int = 0,
        worker_lost: bool = False,
        sent_in_time: int,
        load_s: float,
        arrival_labels: Sequence[str] | None = None,
    ) -> None:
        self.snapshot = snapshot
        self._scripted = scripted
        self._rate_per_s = sent_in_time / load_s
        self._load_s = load_s
        counters = snapshot.counters
        arrived = of_labels(snapshot, arrival_labels)
        sent, ok, failed = (arrived[name] for name in (_ITERATIONS if scripted else _REQUESTS))
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
        requested = self.requests.total
        self._lost = {
            "response": _missing(
                snapshot.histogram("response"),
                requested if scripted else self.arrivals.scheduled + requested - sent,
            ),
            "service": _missing(snapshot.histogram("service"), requested),
        }
        self._of_label = {
            label: _requests(
                snapshot.label_counters(label), snapshot.label_statuses(label), snapshot.label_errors(label)
            )
            for label in snapshot.labels
            if snapshot.role(label) != "trend"
        }
        self._scripted, self._worker_lost = scripted, worker_lost
        self.errors = self._check(worker_lost)
        if scripted:
            self.errors += self._check_script(worker_lost)

    def _check_script(self, worker_lost: bool) -> list[str]:
        """The same of the two books of a script, as far as they are not one."""
        errors = []
        requests = self.requests
        if requests.total < requests.ok + requests.failed:
            errors.append(f"requests {requests.total} are below ok {requests.ok} + failed {requests.failed}")
        for kind, expected in (("response", self.arrivals.scheduled), ("service", self.arrivals.sent)):
            missing = _missing(self.snapshot.role_histogram("iteration", kind), expected)
            if missing and not worker_lost:
                errors.append(f"{missing} iterations are missing in the {kind} histogram")
        return errors

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
        if label is not None and self._scripted:
            return self._lost_of(kind, label)
        if label is not None and len(self.snapshot.labels) > 1:
            return 0
        return self._lost.get(kind, 0)

    def _lost_of(self, kind: str, label: str) -> int:
        """A script's labels count what they began. For which of several scenarios an arrival was that was
        never begun is not known.
        """
        if not self._worker_lost or kind not in self._lost or label not in self._of_label:
            return 0
        lost = _missing(self.snapshot.histogram("service", label), self._of_label[label].total)
        only = [name for name in self._of_label if self.snapshot.role(name) == "iteration"] == [label]
        if kind == "response" and only:
            lost = _missing(self.snapshot.histogram("response", label), self.arrivals.scheduled)
        return max(0, lost)

    def iterations_percentile_ns(self, kind: str, percent: float) -> float | None:
        """A percentile of all iterations of a script."""
        return percentile_ns(self.snapshot.role_histogram("iteration", kind), percent)

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
        """Of all requests that need each: most find a connection, and names are resolved before a run."""
        return Phases(
            dns=self.latency("dns"),
            connect=self.latency("connect"),
            tls=self.latency("tls"),
            send=self.latency("send"),
            first_byte=self.latency("first_byte"),
            receive=self.latency("receive"),
        )

    def labels(self) -> list[LabelResult]:
        """Each label's share."""
        return [
            LabelResult(
                label=label,
                kind=cast("LabelKind", self.snapshot.role(label)),
                requests=requests,
                latency=self.latencies(label),
            )
            for label, requests in self._of_label.items()
            # A name that a script has changed its mind about was never sent under.
            if requests.total or not self._scripted or self.snapshot.role(label) != "request"
        ]

    def checks(self) -> list[CheckResult]:
        """Named checks."""
        return [
            CheckResult(name=name, passed=round(passed), failed=round(failed))
            for kind, name, passed, failed, _, _ in self.snapshot.tallies
            if kind == "check"
        ]

    def metrics(self) -> dict[str, tuple[MetricKind, Metric]]:
        """A script's own metrics, by name."""
        found: dict[str, tuple[MetricKind, Metric]] = {}
        for kind, name, first, second, third, _ in self.snapshot.tallies:
            if kind == "counter":
                found[name] = ("counter", first)
            elif kind == "gauge":
                found[name] = ("gauge", Gauge(last=first, min=second, max=third))
            elif kind == "rate" and first + second:
                found[name] = ("rate", round(first / (first + second), 6))
        for label in self._trends():
            found[label] = ("trend", summarise(self.snapshot.histogram("response", label)))
        return found

    def _trends(self) -> list[str]:
        return [label for label in self.snapshot.labels if self.snapshot.role(label) == "trend"]

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

    def check_share(self, name: str | None) -> float | None:
        """The share of checks that passed; None where none was made."""
        made = self.check_count(name)
        passed = sum(check.passed for check in self.checks() if name in (None, check.name))
        return passed / made if made else None

    def check_count(self, name: str | None) -> int:
        """The checks that were made."""
        return sum(check.passed + check.failed for check in self.checks() if name in (None, check.name))

    def metric(self, name: str, statistic: str | None) -> float | None:
        """A script's own metric; None where there is none of the name, or it has no such statistic."""
        if name in self._trends():
            histogram = self.snapshot.histogram("response", name)
            if statistic == "count":
                return histogram.count
            if statistic in (None, "sum", "last", "share"):
                return None
            value = statistic_ns(histogram, statistic)
            return None if value is None else value / 1e6
        for kind, known, *values in self.snapshot.tallies:
            if known == name and kind in _STATISTICS:
                # The first is what the name alone means.
                index = 0 if statistic is None else _STATISTICS[kind].get(statistic)
                if kind == "rate":
                    made = values[0] + values[1]
                    if not made or index is None:
                        return None
                    return made if statistic == "count" else values[0] / made
                return None if index is None else values[index]
        return None


def of_labels(snapshot: Counts, labels: Sequence[str] | None) -> Mapping[str, int]:
    """The counters of some labels together; of the whole where none are named."""
    if labels is None:
        return snapshot.counters
    known = [snapshot.label_counters(label) for label in labels if label in snapshot.labels]
    return {name: sum(counters[name] for counters in known) for name in _REQUESTS}


def _missing(histogram: Histogram, expected: int) -> int:
    return expected - histogram.count - histogram.infinite


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
