"""What must hold in every summary, whatever happened in the run: the books balance to the last request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.support.command import CommandResult


def balanced(result: CommandResult) -> dict[str, Any]:
    """The run's summary, after its identities were checked with zero tolerance."""
    summary = result.summary
    arrivals, requests, latency = summary["arrivals"], summary["requests"], summary["latency"]
    assert arrivals["scheduled"] == arrivals["sent"] + arrivals["dropped"] + arrivals["cancelled"], result
    assert arrivals["sent"] == arrivals["completed"] + arrivals["failed"] + arrivals["unfinished"], result
    labels = [label for label in summary["labels"] if label["kind"] == "request"]
    iterations = [label for label in summary["labels"] if label["kind"] == "iteration"]
    book = (arrivals["sent"], arrivals["completed"], arrivals["failed"])
    if iterations:  # arrivals count apart, and as exactly
        (apart,) = iterations
        assert tuple(apart["requests"][field] for field in ("total", "ok", "failed")) == book, result
        assert apart["latency"]["response"]["count"] == arrivals["scheduled"], result
        assert apart["latency"]["service"]["count"] == arrivals["sent"], result
        assert requests["total"] >= arrivals["sent"], result
    else:
        assert tuple(requests[field] for field in ("total", "ok", "failed")) == book, result
    ended = requests["ok"] + requests["failed"]
    # Every request that ended has either a status or an error, and every one below 400 is ok.
    status = {int(code): count for code, count in requests["status"].items()}
    assert sum(status.values()) + sum(requests["errors"].values()) == ended, result
    assert sum(count for code, count in status.items() if code < 400) == requests["ok"], result
    # No sample is missing: what never ended is counted as such.
    asked = requests["total"] if iterations else arrivals["scheduled"]
    assert latency["response"]["count"] == asked, result
    assert latency["service"]["count"] == requests["total"], result
    for field in ("total", "ok", "failed", "bytes_sent", "bytes_received"):
        assert sum(label["requests"][field] for label in labels) == requests[field], result
    return summary
