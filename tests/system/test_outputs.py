"""Outputs through the front door: what real receivers have got equals what the run has counted."""

from __future__ import annotations

import contextlib
import csv
import json
import re
import threading
import urllib.error
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from tests.support.books import balanced
from tests.support.hostile_names import HOSTILE, SCRIPT, as_shown
from tests.support.receivers import InfluxDB, Packets, Prometheus, Recorder, fetch

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.conftest import Target
    from tests.support.command import CommandResult, Loadgen
    from tests.support.scripts import Scripts

LOAD = ("--users", "2", "--duration", "600ms", "--workers", "1", "--connections", "2")


def requests_of(result: CommandResult) -> dict[str, Any]:
    requests: dict[str, Any] = balanced(result)["requests"]
    assert requests["ok"] > 10 and result.exit_code == 0, result
    return requests


def output_named(result: CommandResult, kind: str) -> dict[str, Any]:
    (found,) = [row for row in result.summary["outputs"] if row["name"].startswith(kind)]
    return dict(found)


def test_a_real_prometheus_has_our_sums_scraped_and_written(
    loadgen: Loadgen,
    target: Target,
    counterpart: Callable[[str], Path],
    free_port: int,
    tmp_path: Path,
) -> None:
    with Prometheus(counterpart("prometheus"), tmp_path / "prometheus", free_port) as prometheus:
        result = loadgen(
            *(
                "blast",
                f"{target.url}/status/404",
                *LOAD,
                "--duration",
                "1200ms",
                "--output",
                f"prometheus={free_port}",
            ),
            *("--output", f"remote-write={prometheus.url}/api/v1/write", "--name", "nightly"),
        )
        requests = balanced(result)["requests"]
        assert requests["status"] == {"404": requests["total"]}, result
        for job in ("scraped", "loadgen"):
            total = prometheus.query(f'max_over_time(loadgen_requests_total{{job="{job}"}}[1h])')
            assert [(row["status"], row["label"], value) for row, value in total] == [
                ("404", "GET /status/404", requests["total"])
            ], result
            of_job = f'{{job="{job}"}}[1h]'
            assert (
                prometheus.value(f"max_over_time(loadgen_sent_bytes_total{of_job})") == requests["bytes_sent"]
            )
            latency = result.summary["latency"]["response"]
            count = prometheus.value(f"max_over_time(loadgen_response_seconds_count{of_job})")
            assert count == latency["count"] == requests["total"]
            summed = prometheus.value(f"max_over_time(loadgen_response_seconds_sum{of_job})")
            assert summed == pytest.approx(count * latency["mean_ms"] / 1e3, rel=1e-4)
            buckets = prometheus.query(f"max_over_time(loadgen_response_seconds_bucket{of_job})")
            counts = [n for _, n in sorted((float(row["le"]), value) for row, value in buckets)]
            assert counts == sorted(counts) and counts[-1] == count and len(counts) == 18
        assert {row["run"] for row, _ in prometheus.query('loadgen_users{job="loadgen"}')} == {"nightly"}
    assert output_named(result, "remote-write")["dropped"] == 0


def test_the_endpoint_waits_for_one_more_scrape(loadgen: Loadgen, target: Target) -> None:
    """Whoever scrapes until nobody listens any more has seen all of it."""
    running = loadgen.start(
        *("blast", target.url, "--tps", "100", "--duration", "500ms", "--output", "prometheus=0")
    )
    url = running.wait_for_line(r"metrics at (http://127\.0\.0\.1:\d+/metrics)", stream="stderr")[1]
    with pytest.raises(urllib.error.HTTPError, match="404"):
        fetch(url.replace("/metrics", "/other"))
    pages = []
    with contextlib.suppress(OSError):
        while True:
            pages.append(fetch(url).decode())
    result = running.wait()
    found = r'^loadgen_requests_total\{.*status="200"\} (\S+)$'
    counts = [re.search(found, page, re.MULTILINE) for page in pages]
    assert counts[-1] is not None and float(counts[-1][1]) == requests_of(result)["total"] == 50
    assert output_named(result, "prometheus")["failure"] is None


def test_a_real_influxdb_has_our_sums_under_the_same_names(
    scripts: Scripts, counterpart: Callable[[str], Path], tmp_path: Path
) -> None:
    file = tmp_path / "points.txt"
    with InfluxDB(counterpart("influxd"), tmp_path / "influxdb") as influxdb:
        told = scripts(
            SCRIPT,
            *("--users", "2", "--duration", "600ms", "--workers", "1"),
            *("--output", f"influx={influxdb.url}/write?db=loadgen", "--output", f"influx={file}"),
        )
        requests = requests_of(told.result)
        (found,) = influxdb.query("SELECT sum(value) FROM loadgen_requests")
        assert found["sum"] == requests["total"]
        rows = influxdb.query("SELECT sum(value) FROM loadgen_requests GROUP BY label, status")
        ours = {
            as_shown(row["label"]): row["requests"]["ok"]
            for row in told.summary["labels"]
            if row["kind"] == "request"
        }
        assert len(ours) == len(HOSTILE)
        # Behind a backslash at the end a space is put, because the protocol would escape its own comma.
        assert {row["label"].removesuffix(" "): row["sum"] for row in rows} == ours
        (counted,) = influxdb.query("SELECT sum(value) FROM loadgen_counted")
        assert counted["sum"] == 2 * told.summary["arrivals"]["completed"]
        checks = influxdb.query("SELECT sum(value) FROM loadgen_checks GROUP BY outcome")
        assert sum(row["sum"] for row in checks) == sum(
            check["passed"] + check["failed"] for check in told.summary["checks"]
        )
        posted = influxdb.query("SELECT count FROM loadgen_response_seconds")
        assert sum(row["count"] for row in posted) == requests["total"]
    lines = file.read_text().splitlines()
    values = [re.fullmatch(r"loadgen_requests,.* value=(\d+) \d+", line) for line in lines]
    assert sum(int(value[1]) for value in values if value) == requests["total"]


def test_version_2_is_asked_with_a_token_that_is_told_nobody(loadgen: Loadgen, target: Target) -> None:
    token, password = "tok-en-9876", "pass-word-1234"
    with Recorder() as recorder, Recorder(status=401, answer=b"." * 37 + password.encode() * 9) as refusing:
        result = loadgen(
            *("blast", target.url, *LOAD),
            *("--output", f"influx={recorder.url}/api/v2/write?org=me&bucket=loadgen"),
            *("--output", f"influx=http://me:{password}@127.0.0.1:{refusing.port}/write?db=x&p={password}"),
            environment={"LOADGEN_INFLUX_TOKEN": token},
        )
        requests = requests_of(result)
        assert {posted.path for posted in recorder.posted} == {"/api/v2/write?org=me&bucket=loadgen"}
        assert {posted.headers["authorization"] for posted in recorder.posted} == {f"Token {token}"}
        text = b"".join(posted.body for posted in recorder.posted).decode()
        values = re.findall(r"^loadgen_requests,.* value=(\d+) \d+$", text, re.MULTILINE)
        assert sum(map(int, values)) == requests["total"]
        assert all(posted.headers["authorization"].startswith("Basic ") for posted in refusing.posted)
    named = f"influx http://127.0.0.1:{refusing.port}/write"
    assert f"{named} does not take what it is sent: it answered 401" in result.stderr, result
    files = [path.read_text() for path in result.run_folder.iterdir()]
    for text in (result.stdout, result.stderr, *files):
        assert token not in text and password not in text, result


def test_an_opentelemetry_collector_gets_everything(loadgen: Loadgen, target: Target) -> None:
    with Recorder(status=200) as recorder:
        result = loadgen("blast", target.url, *LOAD, "--output", f"otel={recorder.url}", "--name", "nightly")
        requests = requests_of(result)
        last = ExportMetricsServiceRequest.FromString(recorder.posted[-1].body)
    assert {posted.path for posted in recorder.posted} == {"/v1/metrics"}
    (resource,) = last.resource_metrics
    about = {pair.key: pair.value.string_value for pair in resource.resource.attributes}
    assert (about["service.name"], about["loadgen.run"]) == ("loadgen", "nightly")
    metrics = {metric.name: metric for metric in resource.scope_metrics[0].metrics}
    (point,) = metrics["loadgen_requests"].sum.data_points
    assert point.as_double == requests["total"] and metrics["loadgen_requests"].sum.is_monotonic
    (latency,) = metrics["loadgen_response_seconds"].histogram.data_points
    assert latency.count == sum(latency.bucket_counts) == requests["total"]
    assert metrics["loadgen_response_seconds"].unit == "s"


def test_packets_and_lines_add_up(loadgen: Loadgen, target: Target, tmp_path: Path) -> None:
    lines, table = tmp_path / "lines.jsonl", tmp_path / "lines.csv"
    with Packets() as plain, Packets() as tagged:
        result = loadgen(
            *("blast", target.url, *LOAD, "--output", f"jsonl={lines}", "--output", f"csv-live={table}"),
            *("--output", f"statsd=127.0.0.1:{plain.port}", "--output", f"dogstatsd=127.0.0.1:{tagged.port}"),
        )
        packets = [plain.lines(), tagged.lines()]
    total = requests_of(result)["total"]
    patterns = (
        r"loadgen\.requests\.GET__\.200:(\d+)\|c",
        r"loadgen\.requests:(\d+)\|c\|#label:GET /,status:200",
    )
    for pattern, sent in zip(patterns, packets, strict=True):
        counts = [re.fullmatch(pattern, line) for line in sent]
        assert sum(int(count[1]) for count in counts if count) == total, sent
        assert any(line.startswith("loadgen.response.p99") for line in sent), sent
    read = [json.loads(line) for line in lines.read_text().splitlines()]
    assert sum(line["ok"] for line in read) == sum(line["status"]["200"] for line in read) == total
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert sum(int(row["sent"]) for row in rows) == total and len(rows) == len(read)


def test_dead_slow_and_broken_receivers_cost_no_request_and_are_named(
    loadgen: Loadgen, target: Target, free_port: int
) -> None:
    with Recorder(silent=True) as silent, Recorder(status=500, answer=b"<b>later</b>\x1b[2J") as broken:
        result = loadgen(
            *("blast", target.url, "--tps", "100", "--duration", "1200ms", "--workers", "1"),
            *("--output", f"influx=http://127.0.0.1:{free_port}/write?db=x"),
            *("--output", f"remote-write={silent.url}/api/v1/write"),
            *(
                "--output",
                f"influx={broken.url}/write?db=x",
                "--output",
                f"otel=http://127.0.0.1:{free_port}",
            ),
            *("--output", "statsd=127.0.0.1:9"),
        )
        assert silent.posted and broken.posted
    assert requests_of(result)["total"] == 120 == target.requests()["total"]
    events = [json.loads(line) for line in (result.run_folder / "events.jsonl").read_text().splitlines()]
    failed = [event["text"] for event in events if event["event"] == "output_failed"]
    # To a port that nobody has, UDP sends well the first time.
    names = [
        *(f"influx http://127.0.0.1:{free_port}/write", f"remote-write {silent.url}/api/v1/write"),
        *(f"influx {broken.url}/write", f"otel http://127.0.0.1:{free_port}/v1/metrics"),
    ]
    for name in names:
        assert len([text for text in failed if text.startswith(name)]) == 1, result
        output = output_named(result, name)
        assert output["dropped"] >= 2 and output["sent"] == 0 and output["failure"], result
        assert name in " ".join(result.stdout.split()), result
    assert "\x1b" not in result.stdout + result.stderr


def test_a_receiver_that_comes_back_gets_what_was_kept_for_it(loadgen: Loadgen, target: Target) -> None:
    with Recorder(status=503) as recorder:
        running = loadgen.start(
            *("blast", target.url, *LOAD, "--duration", "2s"),
            *("--output", f"influx={recorder.url}/write?db=x"),
        )
        recorder.wait_for(1)
        recorder.status = 204
        result = running.wait()
        taken = b"".join(posted.body for posted in recorder.posted[1:]).decode()
    output = output_named(result, "influx")
    assert output["dropped"] == 0 and "it answered 503" in output["failure"], result
    values = re.findall(r"^loadgen_requests,.* value=(\d+) \d+$", taken, re.MULTILINE)
    assert sum(map(int, values)) == requests_of(result)["total"]


def test_a_script_and_a_library_take_outputs_too(target: Target, tmp_path: Path) -> None:
    from loadgen import Plan, run

    threads = threading.active_count()
    plan = Plan(url=target.url, users=2, duration="300ms", workers=1)
    result = run(plan, outputs=[f"jsonl={tmp_path}/lines", f"junit={tmp_path}/report.xml"])
    assert result.requests.total > 0 and [output.dropped for output in result.outputs] == [0]
    assert (tmp_path / "report.xml").exists() and (tmp_path / "lines").read_text()
    assert threading.active_count() == threads
