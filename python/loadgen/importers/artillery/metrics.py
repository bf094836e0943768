"""What a run counted, in Artillery's names: counters, rates and summaries, as its report has them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from loadgen.importers.artillery.codes import node_code
from loadgen.importers.artillery.expectations import SEPARATOR
from loadgen.importers.artillery.labels import PLUGIN
from loadgen.importers.artillery.virtual_user import RATES

if TYPE_CHECKING:
    from loadgen._engine import Histogram, Snapshot

# {"counters": {name: n}, "rates": {name: per second}, "summaries": {name: {"min": ms, …, "p999": ms}}}
Metrics: TypeAlias = dict[str, dict[str, Any]]

_PERCENTS = {"p50": 50, "median": 50, "p75": 75, "p90": 90, "p95": 95, "p99": 99, "p999": 99.9}
# What loadgen counts of sockets, and Artillery does not.
_SOCKETS = frozenset(
    {
        *(
            "bytes received",
            "bytes sent",
            "messages received",
            "messages sent",
            "pings sent",
            "pongs received",
        ),
        *("sockets left open", "sockets lost", "sockets opened"),
    }
)
_ENDS = re.compile(r"close \d{4}|refused \d{3}")
# Requests that follow a redirect count, but are no endpoint.
_REDIRECTED = " (redirected)"


def metrics_of(snapshot: Snapshot, elapsed_s: float) -> Metrics:
    """Of a whole run, or of an interval of it, which took so long."""
    counters: dict[str, float] = {}
    rates: dict[str, float] = {}
    summaries: dict[str, dict[str, float]] = {}
    _count_users(snapshot, counters)
    _count_requests(snapshot, counters)
    _count_endpoints(snapshot, counters, summaries)
    for kind, name, one, other, *_ in snapshot.tallies:
        if kind == "counter" and name.startswith(RATES):
            rates[name.removeprefix(RATES)] = round(one / elapsed_s) if elapsed_s > 0 else 0
        elif kind == "counter" and not (name in _SOCKETS or _ENDS.fullmatch(name)):
            counters[name] = _whole(one)
        elif kind == "check":
            _count_expectation(name, one, other, counters)
    _add_response_times(snapshot, summaries)
    _add_summary(summaries, "vusers.session_length", snapshot.role_histogram("iteration", "service"), 1e6)
    for label in snapshot.labels:
        if snapshot.role(label) == "trend":
            _add_summary(summaries, label, snapshot.histogram("response", label), 1e6)
    sent = counters.get("http.requests", 0)
    if sent:
        rates["http.request_rate"] = round(sent / elapsed_s) if elapsed_s > 0 else 0
    return {"counters": counters, "rates": rates, "summaries": summaries}


def _count_users(snapshot: Snapshot, counters: dict[str, float]) -> None:
    for label in snapshot.labels:
        if snapshot.role(label) != "iteration":
            continue
        counts = snapshot.label_counters(label)
        # Those without a name are called by their place.
        name = label.removeprefix("scenario ") if label.removeprefix("scenario ").isdecimal() else label
        _add(counters, f"vusers.created_by_name.{name}", counts["sent"])
        _add(counters, "vusers.created", counts["sent"])
        _add(counters, "vusers.completed", counts["ok"])
        counters["vusers.failed"] = counters.get("vusers.failed", 0) + counts["failed"]
    _add(counters, "vusers.skipped", snapshot.counters["dropped"])


def _count_requests(snapshot: Snapshot, counters: dict[str, float]) -> None:
    labels = _requests(snapshot)
    sent = sum(snapshot.label_counters(label)["sent"] for label in labels)
    _add(counters, "http.requests", sent)
    for label in labels:
        for status, count in snapshot.label_statuses(label).items():
            _add(counters, f"http.codes.{status}", count)
            _add(counters, "http.responses", count)
    if sent:
        counters["http.downloaded_bytes"] = snapshot.counters["bytes_received"]


def _requests(snapshot: Snapshot) -> list[str]:
    """The labels of requests; the handshakes of sockets are none."""
    return [
        label
        for label in snapshot.labels
        if snapshot.role(label) == "request" and not label.startswith("WS ")
    ]


def _add_response_times(snapshot: Snapshot, summaries: dict[str, dict[str, float]]) -> None:
    """Of all responses, and of each hundred of statuses whose endpoints had no other."""
    of_class: dict[int, list[Histogram]] = {}
    mixed: set[int] = set()
    whole = []
    for label in _requests(snapshot):
        times = snapshot.histogram("first_byte", label)
        if not times.count:
            continue
        whole.append(times)
        classes = {status // 100 for status, count in snapshot.label_statuses(label).items() if count}
        if len(classes) > 1:
            mixed |= classes
        for one in classes:
            of_class.setdefault(one, []).append(times)
    _add_summary(summaries, "http.response_time", Sum(whole), 1e6)
    for one, found in sorted(of_class.items()):
        if one not in mixed:
            _add_summary(summaries, f"http.response_time.{one}xx", Sum(found), 1e6)


class Sum:
    """Several histograms as one."""

    def __init__(self, parts: Sequence[Histogram]) -> None:
        self._parts = [part for part in parts if part.count]
        self.count = sum(part.count for part in self._parts)
        self.min_ns = min((part.min_ns or 0 for part in self._parts), default=0)
        self.max_ns = max((part.max_ns or 0 for part in self._parts), default=0)
        total_ns = sum((part.mean_ns or 0.0) * part.count for part in self._parts)
        self.mean_ns = total_ns / self.count if self.count else 0.0

    def buckets(self) -> list[tuple[int, int, int]]:
        """(lowest, highest, count), in order."""
        return sorted(bucket for part in self._parts for bucket in part.buckets())


def _count_endpoints(
    snapshot: Snapshot, counters: dict[str, float], summaries: dict[str, dict[str, float]]
) -> None:
    """By endpoint, which is what a label says behind its method."""
    for label in _requests(snapshot):
        if label.endswith(_REDIRECTED):
            continue
        head, _, rest = label.partition(" ")
        endpoint = rest if head.isupper() and rest else label
        for kind, count in snapshot.label_errors(label).items():
            _add(counters, f"plugins.{PLUGIN}.{endpoint}.errors.{node_code(kind)}", count)
        statuses = snapshot.label_statuses(label)
        for status, count in statuses.items():
            _add(counters, f"plugins.{PLUGIN}.{endpoint}.codes.{status}", count)
        if statuses:
            name = f"plugins.{PLUGIN}.response_time.{endpoint}"
            _add_summary(summaries, name, snapshot.histogram("first_byte", label), 1e6)


def _count_expectation(name: str, passed: float, failed: float, counters: dict[str, float]) -> None:
    kind, separator, _ = name.partition(SEPARATOR)
    if not separator:
        return
    for word, count in (("ok", passed), ("failed", failed)):
        _add(counters, f"plugins.expect.{word}", count)
        _add(counters, f"plugins.expect.{word}.{kind}", count)


def _add(counters: dict[str, float], name: str, count: float) -> None:
    if count:
        counters[name] = counters.get(name, 0) + _whole(count)


def _whole(value: float) -> float:
    return int(value) if float(value).is_integer() else value


def _add_summary(
    summaries: dict[str, dict[str, float]], name: str, histogram: Histogram | Sum, unit_ns: float
) -> None:
    """Of what ended; Artillery knows no request that never did."""
    if not histogram.count or name in summaries:
        return
    buckets = histogram.buckets()
    total = sum(count for _, _, count in buckets)
    found = {
        "min": (histogram.min_ns or 0) / unit_ns,
        "max": (histogram.max_ns or 0) / unit_ns,
        "count": histogram.count,
        "mean": (histogram.mean_ns or 0.0) / unit_ns,
    }
    for word, percent in _PERCENTS.items():
        found[word] = min(found["max"], _percentile(buckets, total * percent / 100) / unit_ns)
    summaries[name] = {word: value if word == "count" else round(value, 1) for word, value in found.items()}


def _percentile(buckets: list[tuple[int, int, int]], rank: float) -> float:
    seen = 0
    for _, highest, count in buckets:
        seen += count
        if seen >= rank:
            return highest
    return buckets[-1][1]
