"""What must hold in every summary, whatever happened in the run: the books balance to the last request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.support.command import CommandResult


# Requests of sockets that are no arrivals.
BEYOND = ("reconnect", "subscribe", "list", "unsubscribe")


def label(summary: dict[str, Any], name: str) -> dict[str, Any]:
    """The row of a label, of which there must be one."""
    (found,) = [row for row in summary["labels"] if row["label"] == name]
    return dict(found)


def balanced(result: CommandResult) -> dict[str, Any]:
    """The run's summary, after its identities were checked with zero tolerance."""
    summary = result.summary
    arrivals, requests, latency = summary["arrivals"], summary["requests"], summary["latency"]
    assert arrivals["scheduled"] == arrivals["sent"] + arrivals["dropped"] + arrivals["cancelled"], result
    assert arrivals["sent"] == arrivals["completed"] + arrivals["failed"] + arrivals["unfinished"], result
    labels = [row for row in summary["labels"] if row["kind"] == "request"]
    iterations = [row for row in summary["labels"] if row["kind"] == "iteration"]
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
        assert sum(row["requests"][field] for row in labels) == requests[field], result
    return summary


def balanced_sockets(result: CommandResult) -> dict[str, Any]:
    """The same of a run of sockets: arrivals are connects and messages, other requests are beyond them."""
    summary = result.summary
    arrivals, requests, latency = summary["arrivals"], summary["requests"], summary["latency"]
    assert arrivals["scheduled"] == arrivals["sent"] + arrivals["dropped"] + arrivals["cancelled"], result
    ended = arrivals["completed"] + arrivals["failed"]
    assert arrivals["sent"] == ended + arrivals["unfinished"], result
    counted = [row for row in summary["labels"] if row["kind"] == "request"]
    for field in ("total", "ok", "failed"):
        assert sum(row["requests"][field] for row in counted) == requests[field], result
    arrived = [row for row in counted if not row["label"].startswith(BEYOND)]
    assert sum(row["requests"]["total"] for row in arrived) == arrivals["sent"], result
    assert sum(row["requests"]["ok"] for row in arrived) == arrivals["completed"], result
    beyond = requests["total"] - arrivals["sent"]
    assert latency["response"]["count"] == arrivals["scheduled"] + beyond, result
    assert latency["service"]["count"] == requests["total"], result
    # Every socket that was opened has had its time, and was told how it ended.
    session = label(summary, "session")
    connections = summary["sockets"]["connections"]
    assert session["requests"]["total"] == connections["opened"], result
    assert session["requests"]["failed"] == connections["lost"], result
    opened = sum(row["requests"]["ok"] for row in counted if row["label"] in ("connect", "reconnect"))
    assert opened == connections["opened"], result
    assert connections["most_open"] <= connections["asked"], result
    assert "books_wrong" not in (result.run_folder / "events.jsonl").read_text(), result
    return summary
