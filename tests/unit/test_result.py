"""summary.json, and how a run ends."""

from __future__ import annotations

import msgspec
import pytest

from loadgen.errors import ExitCode
from loadgen.result import Ending, Gauge, Result, conclude
from tests.unit.results import make_result

FINE = Ending(
    interrupted=False,
    lost_workers=0,
    books_wrong=False,
    any_request=True,
    unreachable=False,
    generator="valid",
    outcomes=[],
)


@pytest.mark.parametrize(
    ("sentence", "change", "verdict", "exit_code"),
    [
        ("nothing was asked of it", {}, "pass", 0),
        ("all thresholds passed", {"outcomes": ["pass", "pass"]}, "pass", 0),
        ("one failed", {"outcomes": ["pass", "fail", "no data"]}, "fail", 1),
        ("one had no data", {"outcomes": ["pass", "no data"]}, "no-data", 1),
        ("nothing was sent", {"any_request": False}, "no-data", 0),
        ("a degraded generator still measures", {"generator": "degraded"}, "pass", 0),
        (
            "a limited one does not, whatever passed",
            {"generator": "client-limited", "outcomes": ["pass"]},
            "invalid",
            3,
        ),
        ("nor does it fail", {"generator": "client-limited", "outcomes": ["fail"]}, "invalid", 3),
        ("a worker was lost", {"lost_workers": 1, "outcomes": ["pass"]}, "invalid", 3),
        ("the books are wrong", {"books_wrong": True}, "invalid", 3),
        ("the script's own errors stopped it", {"script_failed": True, "outcomes": ["pass"]}, "fail", 5),
        (
            "whether or not the generator was the limit",
            {"script_failed": True, "generator": "client-limited"},
            "fail",
            5,
        ),
        ("no target explains a script's errors", {"script_failed": True, "unreachable": True}, "fail", 4),
        ("nor is a run without a worker its fault", {"script_failed": True, "lost_workers": 1}, "invalid", 3),
        ("the target was never there", {"unreachable": True, "generator": "client-limited"}, "fail", 4),
        ("interrupted", {"interrupted": True}, "pass", 130),
        ("interrupted, and it had failed", {"interrupted": True, "outcomes": ["fail"]}, "fail", 130),
    ],
)
def test_endings(sentence: str, change: dict[str, object], verdict: str, exit_code: int) -> None:
    assert conclude(msgspec.structs.replace(FINE, **change)) == (verdict, exit_code), sentence


def test_exit_codes_are_what_programs_rely_on() -> None:
    assert {code.name: int(code) for code in ExitCode} == {
        "PASSED": 0,
        "THRESHOLD_FAILED": 1,
        "UNUSABLE": 2,
        "INVALID": 3,
        "UNREACHABLE": 4,
        "SCRIPT_FAILED": 5,
        "INTERRUPTED": 130,
    }


def test_the_summary_has_the_fields_of_its_schema_in_their_order() -> None:
    document = msgspec.json.decode(make_result().to_json())
    assert " ".join(document) == (
        "schema loadgen_version name command started_at duration_s verdict exit_code plan "
        "target_rate_per_s achieved_rate_per_s arrivals requests latency phases labels checks metrics "
        "thresholds workers generator script sockets outputs changes"
    )
    assert document["schema"] == "loadgen/summary/1"
    assert " ".join(document["arrivals"]) == "scheduled sent completed failed dropped cancelled unfinished"
    assert " ".join(document["requests"]) == "total ok failed bytes_sent bytes_received status errors"
    assert " ".join(document["latency"]) == "response service lateness"
    assert " ".join(document["latency"]["response"]) == (
        "count mean_ms stddev_ms min_ms p50_ms p75_ms p90_ms p95_ms p99_ms p999_ms p9999_ms max_ms"
    )
    assert " ".join(document["phases"]) == "dns connect tls send first_byte receive"
    assert " ".join(document["labels"][0]) == "label kind requests latency"
    assert " ".join(document["thresholds"][0]) == "expression value passed aborted_at_s window_ends_at_s"
    assert " ".join(document["workers"][0]) == "pid exit cpu_s max_rss_mb"
    assert " ".join(document["generator"]) == "verdict reasons cpu_s busy lateness_p99_ms pacing"


def test_infinity_is_a_word_in_json() -> None:
    result = make_result(infinite=500)
    assert b'"max_ms": "inf"' in result.to_json()
    assert b"Infinity" not in result.to_json()


def test_a_summary_reads_back() -> None:
    result = make_result(infinite=3)
    assert Result.from_json(result.to_json()) == result


def test_all_kinds_of_metric_read_back() -> None:
    result = make_result()
    metrics = result.metrics | {"queue": Gauge(last=1, min=0, max=5), "orders": 12.0, "found": 0.5}
    result = msgspec.structs.replace(result, metrics=metrics)
    assert Result.from_json(result.to_json()) == result


def test_a_summary_of_before_scripts_reads_back() -> None:
    document = msgspec.json.decode(make_result().to_json())
    del document["script"], document["labels"][0]["kind"]
    assert Result.from_json(msgspec.json.encode(document)) == make_result()
