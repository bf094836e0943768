"""From what workers counted and told to the summary of sockets; books in which not all are arrivals."""

from __future__ import annotations

from loadgen.ledger import Ledger
from loadgen.result import Result
from tests.unit.sockets import conclude, feed, socket_plan, sockets_of


def test_a_run() -> None:
    sockets = conclude().sockets
    assert sockets is not None
    found = sockets.connections
    assert (found.asked, found.opened, found.failed, found.lost) == (100, 100, 2, 3)
    assert (found.reconnects, found.most_open) == (2, 98)
    assert (found.closes, found.refused) == ({"1000": 97, "1006": 3}, {"403": 2})
    messages = sockets.messages
    assert (messages.sent, messages.received, messages.unmatched) == (995, 40_985, 1)
    assert (messages.bytes_sent, messages.bytes_received) == (12_000, 4_100_000)
    assert (sockets.ping.count, sockets.ping.p50_ms) == (400, 0.5)
    delivery = sockets.delivery
    assert (delivery.latency.count, delivery.latency.p99_ms) == (40_000, 5.0)
    assert (delivery.groups, delivery.receivers.min, delivery.receivers.max) == (400, 98, 100)
    assert (delivery.first.max_ms, delivery.last.max_ms, delivery.spread.max_ms) == (1.0, 5.0, 4.0)
    assert (delivery.missing, delivery.repeated, delivery.reordered) == (7, 0, 4)
    assert delivery.clock_offset_ms is None


def test_arrivals_are_connects_and_messages_and_requests_are_more() -> None:
    result = conclude()
    arrivals, requests = result.arrivals, result.requests
    assert (arrivals.scheduled, arrivals.sent, arrivals.dropped) == (1000, 995, 5)
    assert (arrivals.completed, arrivals.failed, arrivals.unfinished) == (988, 7, 0)
    assert requests.total == arrivals.sent + 100 + 2, "subscriptions and reconnects"
    assert (result.latency.response.count, result.latency.service.count) == (1102, 1097)
    assert result.target_rate_per_s == 100.0
    assert result.achieved_rate_per_s == 99.5


def test_a_sample_that_is_missing_is_noticed() -> None:
    snapshot = feed()
    snapshot._found["subscribe"].histograms["response"].values.pop()
    labels = sockets_of(socket_plan()).arrival_labels
    ledger = Ledger(snapshot, sent_in_time=1, load_s=1, arrival_labels=labels)
    assert ledger.errors == [
        "1 samples are missing in the response histogram",
        "1 samples are missing in the service histogram",
    ]


def test_what_was_never_counted_is_nothing() -> None:
    snapshot = feed()
    snapshot._tallies.clear()
    for label in ("ping", "delivery"):
        snapshot.labels.remove(label)
    sockets = conclude(snapshot=snapshot).sockets
    assert sockets is not None
    assert (sockets.connections.opened, sockets.connections.closes) == (0, {})
    assert (sockets.ping.count, sockets.delivery.latency.count) == (0, 0)


def test_thresholds_may_ask_about_all_of_it() -> None:
    expressions = {
        "delivery: p99 < 6ms": 5.0,
        "ping: max < 1ms": 0.5,
        "missing < 8": 7.0,
        "repeated < 1": 0.0,
        "sockets lost: sum < 4": 3.0,
        "connect: p50 < 3ms": 2.0,
        "connect: errors < 3": 2.0,
        "send: dropped < 6": 5.0,
        "session: errors < 4": 3.0,
    }
    result = conclude(socket_plan(thresholds=list(expressions)))
    assert {one.expression: one.value for one in result.thresholds} == expressions
    assert all(one.passed for one in result.thresholds)


def test_the_summary_reads_back() -> None:
    result = conclude()
    assert Result.from_json(result.to_json()) == result
    assert result.metrics["missing"] == 7
