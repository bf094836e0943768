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
    ended = arrivals["completed"] + arrivals["failed"]
    assert arrivals["sent"] == ended + arrivals["unfinished"], result
    assert (requests["total"], requests["ok"], requests["failed"]) == (
        arrivals["sent"],
        arrivals["completed"],
        arrivals["failed"],
    ), result
    # Every request that ended has either a status or an error, and every one below 400 is ok.
    status = {int(code): count for code, count in requests["status"].items()}
    assert sum(status.values()) + sum(requests["errors"].values()) == ended, result
    assert sum(count for code, count in status.items() if code < 400) == requests["ok"], result
    # No sample is missing: what never ended is counted as such.
    assert latency["response"]["count"] == arrivals["scheduled"], result
    assert latency["service"]["count"] == arrivals["sent"], result
    for field in ("total", "ok", "failed", "bytes_sent", "bytes_received"):
        assert sum(label["requests"][field] for label in summary["labels"]) == requests[field], result
    return summary
