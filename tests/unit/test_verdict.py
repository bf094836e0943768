"""The verdict on the generator, as a table: a sentence a row."""

from __future__ import annotations

import math

import msgspec
import pytest

from loadgen.verdict import GeneratorFigures, judge_generator

MS = 1_000_000
QUIET = GeneratorFigures(
    open_model=True,
    load_s=10,
    due=50_000,
    sent_in_time=50_000,
    sent=50_000,
    late_1ms=0,
    lateness_p99_ns=5_000,
    response_p50_ns=200_000,
    response_p99_ns=600_000,
    service_p99_ns=598_000,
    busy=0.2,
    steal=0.0,
    run_queue=0.01,
    throttled=0.0,
)


@pytest.mark.parametrize(
    ("sentence", "change", "verdict", "reason"),
    [
        ("all is well", {}, "valid", None),
        ("49 of 50,000 late is allowed", {"late_1ms": 49}, "valid", None),
        (
            "51 of 50,000 late is not",
            {"late_1ms": 51},
            "degraded",
            "0.1 % of requests were sent more than 1 ms late",
        ),
        (
            "one late in a hundred may be chance",
            {"due": 100, "sent_in_time": 100, "sent": 100, "late_1ms": 1},
            "valid",
            None,
        ),
        ("p99 lateness of 50 µs is allowed", {"lateness_p99_ns": 50_000}, "valid", None),
        (
            "and above it is not",
            {"lateness_p99_ns": 51_000},
            "degraded",
            "p99 lateness is 51.0 µs, above 50.0 µs",
        ),
        (
            "a slow target allows 5 % of its median",
            {"lateness_p99_ns": 900_000, "response_p50_ns": 20 * MS},
            "valid",
            None,
        ),
        (
            "and no more",
            {"lateness_p99_ns": 1_100_000, "response_p50_ns": 20 * MS},
            "degraded",
            "p99 lateness is 1.10 ms, above 1.00 ms (5 % of the median response)",
        ),
        (
            "lateness that makes the p99 makes it worthless",
            {"lateness_p99_ns": 30 * MS, "response_p99_ns": 100 * MS, "service_p99_ns": 70 * MS},
            "client-limited",
            "the generator's lateness makes the p99: response 100 ms, service 70.0 ms",
        ),
        (
            "a fifth of it does not",
            {
                "lateness_p99_ns": 19 * MS,
                "response_p99_ns": 100 * MS,
                "service_p99_ns": 81 * MS,
                "response_p50_ns": 400 * MS,
            },
            "valid",
            None,
        ),
        (
            "under a millisecond it is only Linux",
            {"lateness_p99_ns": 900_000, "response_p99_ns": 1_000_000, "service_p99_ns": 100_000},
            "degraded",
            "p99 lateness is 900 µs",
        ),
        (
            "waiting for the target's handshake is not the generator's fault",
            {"lateness_p99_ns": 5_000, "response_p99_ns": 100 * MS, "service_p99_ns": 50 * MS},
            "valid",
            None,
        ),
        (
            "failures that make the p99 infinite are the target's",
            {"response_p99_ns": math.inf, "service_p99_ns": math.inf},
            "valid",
            None,
        ),
        (
            "what was never sent is not",
            {"response_p99_ns": math.inf},
            "client-limited",
            "what was never sent makes the p99: response ∞",
        ),
        (
            "the pool is named where it is the cause",
            {
                "sent_in_time": 40_000,
                "waited_for_connection": 25_000,
                "cap_reached": 2,
            },
            "client-limited",
            "50 % of sends waited for a free connection; the cap is 2",
        ),
        (
            "in the closed model, too",
            {"open_model": False, "waited_for_connection": 51, "cap_reached": 2},
            "degraded",
            "0.1 % of sends waited for a free connection; the cap is 2",
        ),
        (
            "a few may wait for it",
            {"waited_for_connection": 50, "cap_reached": 2},
            "valid",
            None,
        ),
        (
            "a load that was not sent is no load, whatever it waited for",
            {"sent_in_time": 40_000, "waited_for_connection": 25_000, "connecting": True},
            "client-limited",
            "only 80 % of what was due was sent in time (50 % of sends waited for a connection to be made)",
        ),
        (
            "what waited to the end for connections being made is not the generator's fault",
            {"response_p99_ns": math.inf, "connecting": True},
            "valid",
            None,
        ),
        (
            "unless its loop was late, too",
            {"response_p99_ns": math.inf, "connecting": True, "lateness_p99_ns": 5 * MS},
            "client-limited",
            "what was never sent makes the p99",
        ),
        ("99.8 % adherence is degraded", {"sent_in_time": 49_900}, "degraded", "only 99.8 % of what was due"),
        ("99.95 % is not", {"sent_in_time": 49_975}, "valid", None),
        ("94 % is the generator's limit", {"sent_in_time": 47_000}, "client-limited", "only 94 %"),
        (
            "nine missing in a short run may be chance",
            {"due": 100, "sent_in_time": 91, "sent": 100},
            "valid",
            None,
        ),
        (
            "a few drops are said",
            {"dropped": 5},
            "degraded",
            "5 requests (0.01 %) were dropped for being late",
        ),
        (
            "many make the run worthless",
            {"dropped": 5000},
            "client-limited",
            "5,000 requests (10 %) were dropped",
        ),
        (
            "own limits are said",
            {"own_errors": 3},
            "degraded",
            "3 requests failed for want of descriptors or ports",
        ),
        (
            "and where they decide, decide",
            {"own_errors": 500},
            "client-limited",
            "500 requests failed for want",
        ),
        ("a busy worker", {"busy": 0.81}, "degraded", "a worker was busy 81 % of the time"),
        ("not too busy", {"busy": 0.8}, "valid", None),
        ("steal", {"steal": 0.02}, "degraded", "the hypervisor took 2 % of the processor"),
        ("the run queue", {"run_queue": 0.06}, "degraded", "waited 6 % of the time for a processor"),
        ("throttling", {"throttled": 0.001}, "degraded", "held it back 0.1 % of the time"),
        ("ticks say nothing of half a second", {"load_s": 0.5, "busy": 0.99, "steal": 0.5}, "valid", None),
        (
            "what is not known is not held against it",
            dict.fromkeys(("lateness_p99_ns", "response_p50_ns", "response_p99_ns", "service_p99_ns"))
            | dict.fromkeys(("busy", "steal", "run_queue", "throttled")),
            "valid",
            None,
        ),
        (
            "in the closed model nothing is due",
            {"open_model": False, "sent_in_time": 0, "late_1ms": 50_000},
            "valid",
            None,
        ),
        ("nothing was sent", {"due": 0, "sent_in_time": 0, "sent": 0}, "valid", None),
        (
            "of scripts it is iterations that are late",
            {"iterations": 1000, "late_1ms": 20},
            "degraded",
            "2 % of iterations were begun more than 1 ms late",
        ),
        (
            "and that are dropped",
            {"iterations": 50_000, "dropped": 5000},
            "client-limited",
            "5,000 iterations (10 %) were dropped",
        ),
        ("scenario code may take half of the core", {"script_share": 0.6}, "valid", None),
        (
            "more than four fifths is said",
            {"script_share": 0.83},
            "degraded",
            "scenario code took 83 % of the core",
        ),
        (
            "it is the cause of what was not sent",
            {"script_share": 0.5, "sent_in_time": 40_000},
            "client-limited",
            "scenario code took 50 % of the core",
        ),
        (
            "of users, too, who wait for each other's code",
            {"open_model": False, "script_share": 0.83, "users_per_worker": 10},
            "client-limited",
            "scenario code took 83 % of the core",
        ),
        (
            "but one alone waits for nobody",
            {"open_model": False, "script_share": 0.83, "users_per_worker": 1},
            "degraded",
            "scenario code took 83 % of the core",
        ),
        ("a moment says nothing of scripts either", {"load_s": 0.5, "script_share": 0.99}, "valid", None),
        ("a call that blocks is always named", {"blocked": ["time.sleep"]}, "degraded", "time.sleep"),
    ],
)
def test_verdicts(sentence: str, change: dict[str, object], verdict: str, reason: str | None) -> None:
    found, reasons = judge_generator(msgspec.structs.replace(QUIET, **change))
    assert found == verdict, sentence
    assert bool(reasons) == (verdict != "valid"), sentence
    if reason is not None:
        assert any(text.startswith(reason) or reason in text for text in reasons), reasons


def test_the_worst_comes_first() -> None:
    figures = msgspec.structs.replace(QUIET, steal=0.5, sent_in_time=10_000)
    verdict, reasons = judge_generator(figures)
    assert verdict == "client-limited"
    assert [reason.split()[0] for reason in reasons] == ["only", "the"]


def test_a_script_goes_before_what_it_causes() -> None:
    figures = msgspec.structs.replace(
        QUIET, sent_in_time=10_000, script_share=0.83, blocked=["one", "two", "three", "four"], steal=0.5
    )
    verdict, reasons = judge_generator(figures)
    assert verdict == "client-limited"
    assert reasons[:4] == ["scenario code took 83 % of the core", "one", "two", "three"]
    assert reasons[4].startswith("only 20 %")
    assert "four" not in reasons


def test_a_small_share_is_no_cause() -> None:
    figures = msgspec.structs.replace(QUIET, sent_in_time=10_000, script_share=0.4)
    assert not any("scenario code" in reason for reason in judge_generator(figures)[1])
