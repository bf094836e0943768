"""The books of a run: identities, and the gaps that a dead worker leaves."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadgen.ledger import Ledger
from tests.unit.figures import Counted, Samples
from tests.unit.scripts import Label, Scripted, shop

MS = 1_000_000


def balanced(**more: int) -> Counted:
    """10 due: 8 sent (6 ok, 1 failed with a status, 1 failed without), 1 dropped, 1 cancelled."""
    counters = {"scheduled": 10, "sent": 8, "ok": 6, "failed": 2, "dropped": 1, "cancelled": 1} | more
    return Counted(
        response=Samples([MS] * 7, infinite=3),
        service=Samples([MS] * 7, infinite=1),
        statuses={200: 6, 500: 1},
        errors={"timeout": 1},
        counters=counters,
    )


def test_balanced_books_have_nothing_to_say() -> None:
    ledger = Ledger(balanced(), sent_in_time=8, load_s=2)
    assert ledger.errors == []
    assert ledger.arrivals.unfinished == 0
    assert ledger.requests.status == {"200": 6, "500": 1}
    assert ledger.rate_per_s(None) == 4
    assert ledger.latency("response").count == 10


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scheduled": 11}, "scheduled 11 is not sent 8 + dropped 1 + cancelled 1"),
        ({"ok": 7}, "sent 8 is below ok 7 + failed 2"),
        ({"scheduled": 11, "cancelled": 2}, "1 samples are missing in the response histogram"),
        ({"sent": 9, "ok": 7, "scheduled": 11}, "1 samples are missing in the service histogram"),
    ],
)
def test_books_that_do_not_balance_are_found(change: dict[str, int], message: str) -> None:
    assert message in Ledger(balanced(**change), sent_in_time=8, load_s=1).errors


def test_what_a_dead_worker_never_took_is_cancelled_and_infinite() -> None:
    ledger = Ledger(balanced(), abandoned=90, worker_lost=True, sent_in_time=8, load_s=1)
    assert (ledger.arrivals.scheduled, ledger.arrivals.cancelled) == (100, 91)
    assert ledger.errors == []
    response = ledger.latency("response")
    assert (response.count, response.p50_ms, response.max_ms) == (100, "inf", "inf")
    assert ledger.latency("response", "GET /") == response
    assert ledger.latency("service").count == 8


def test_what_a_dead_worker_had_in_flight_is_unfinished() -> None:
    snapshot = balanced(scheduled=13, sent=11)
    ledger = Ledger(snapshot, worker_lost=True, sent_in_time=11, load_s=1)
    assert ledger.arrivals.unfinished == 3
    assert ledger.errors == []
    assert (ledger.latency("response").count, ledger.latency("service").count) == (13, 11)


@given(st.integers(0, 50), st.integers(0, 50), st.integers(0, 50), st.integers(0, 1))
def test_the_identities_hold_whatever_died(abandoned: int, in_flight: int, drops: int, taken: int) -> None:
    sent = 7 + in_flight
    snapshot = Counted(
        response=Samples([MS] * 7, infinite=drops),
        service=Samples([MS] * 7),
        statuses={200: 7},
        counters={"scheduled": sent + drops + taken, "sent": sent, "ok": 7, "dropped": drops},
    )
    ledger = Ledger(snapshot, abandoned=abandoned, worker_lost=True, sent_in_time=sent, load_s=1)
    arrivals = ledger.arrivals
    assert ledger.errors == []
    assert arrivals.scheduled == arrivals.sent + arrivals.dropped + arrivals.cancelled
    assert arrivals.sent == arrivals.completed + arrivals.failed + arrivals.unfinished
    assert ledger.latency("response").count == arrivals.scheduled
    assert ledger.latency("service").count == arrivals.sent


@pytest.mark.parametrize(
    ("name", "label", "value"),
    [
        ("requests", None, 8),
        ("errors", None, 2),
        ("errors.timeout", None, 1),
        ("errors.reset", None, 0),
        ("dropped", None, 1),
        ("ok", "GET /", 6),
        ("ok", "GET /nowhere", None),
    ],
)
def test_counts_for_thresholds(name: str, label: str | None, value: int | None) -> None:
    assert Ledger(balanced(), sent_in_time=8, load_s=1).count(name, label) == value


def test_latencies_for_thresholds() -> None:
    ledger = Ledger(balanced(), sent_in_time=8, load_s=1)
    assert ledger.latency_ms("response", "p50", None) == 1
    assert ledger.latency_ms("response", "max", None) == math.inf
    assert ledger.latency_ms("response", "p50", "GET /nowhere") is None
    assert ledger.latency_ms("connection_wait", "max", None) is None


def test_errors_are_no_data_where_nothing_was_sent() -> None:
    ledger = Ledger(Counted(), sent_in_time=0, load_s=1)
    assert ledger.count("errors", None) is None
    assert ledger.count("errors.timeout", None) is None


def test_the_two_books_of_a_script_balance() -> None:
    ledger = Ledger(shop(), scripted=True, sent_in_time=2500, load_s=10)
    assert ledger.errors == []
    assert (ledger.arrivals.sent, ledger.requests.total) == (1000, 2500)
    assert (ledger.rate_per_s(None), ledger.rate_per_s("browse")) == (250, 100)
    assert ledger.latency("response", "browse").count == 1000


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scheduled": 1001}, "scheduled 1001 is not sent 1000 + dropped 0 + cancelled 0"),
        ({"scheduled": 1001, "dropped": 1}, "1 iterations are missing in the response histogram"),
        ({"iterations_ok": 991}, "sent 1000 is below ok 991 + failed 10"),
        (
            {"iterations_started": 1001, "scheduled": 1001},
            "1 iterations are missing in the service histogram",
        ),
        ({"sent": 2501}, "1 samples are missing in the service histogram"),
        ({"ok": 2481}, "requests 2500 are below ok 2481 + failed 20"),
    ],
)
def test_a_scripts_books_that_do_not_balance_are_found(change: dict[str, int], message: str) -> None:
    ledger = Ledger(shop(counters=change), scripted=True, sent_in_time=1, load_s=1)
    assert message in ledger.errors


def test_what_a_dead_worker_had_of_a_label_is_lost_there() -> None:
    found = Scripted(
        {
            "browse": Label("iteration", response=Samples([MS] * 100), service=Samples([MS] * 100)),
            "GET /": Label("request", response=Samples([MS] * 200)),
            "GET /b": Label("request", response=Samples([MS] * 100)),
        },
        counters={"scheduled": 103, "iterations_started": 103, "sent": 302},
    )
    for label, begun in (("browse", 103), ("GET /b", 102)):
        found.label_counters(label)["sent"] = begun
    ledger = Ledger(found, scripted=True, abandoned=7, worker_lost=True, sent_in_time=1, load_s=1)
    assert ledger.errors == []
    assert (ledger.arrivals.scheduled, ledger.arrivals.cancelled, ledger.arrivals.unfinished) == (110, 7, 3)
    assert ledger.latency("response", "GET /").count == 200
    assert ledger.latency("response", "GET /b").count == 102
    assert ledger.latency("response", "browse").count == 110
    assert ledger.latency("service", "browse").count == 103
    assert ledger.latency("response").count == 302
