"""What is written at the end: for CI, spreadsheets, Locust's readers; hostile names are text in all."""

from __future__ import annotations

import contextlib
import csv
import html
import json
import os
import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

from tests.support.hostile_names import HOSTILE, SCRIPT, as_shown
from tests.support.junit_rules import read_junit
from tests.support.receivers import fetch

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Target
    from tests.support.command import Loadgen
    from tests.support.scripts import Scripts

LOAD = ("--users", "2", "--duration", "300ms", "--workers", "1")
PERCENTILES = "50%,66%,75%,80%,90%,95%,98%,99%,99.9%,99.99%,100%"
TIMES = "Median Response Time,Average Response Time,Min Response Time,Max Response Time"
LOCUST = {
    "stats": "Type,Name,Request Count,Failure Count,"
    f"{TIMES},Average Content Size,Requests/s,Failures/s,{PERCENTILES}",
    "stats_history": f"Timestamp,User Count,Type,Name,Requests/s,Failures/s,{PERCENTILES},"
    "Total Request Count,Total Failure Count,Total Median Response Time,Total Average Response Time,"
    "Total Min Response Time,Total Max Response Time,Total Average Content Size",
    "failures": "Method,Name,Error,Occurrences,First Seen,Last Seen",
    "exceptions": "Count,Message,Traceback,Nodes",
}


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file, strict=True))


def test_hostile_names_are_text_everywhere(scripts: Scripts, tmp_path: Path) -> None:
    names = [as_shown(name) for name in HOSTILE]
    kinds = {"csv": "t.csv", "csv-live": "live.csv", "jsonl": "l.jsonl", "junit": "j.xml", "markdown": "m.md"}
    running = scripts.start(
        SCRIPT,
        *LOAD,
        *(part for kind, file in kinds.items() for part in ("--output", f"{kind}={tmp_path / file}")),
        *("--output", f"locust-csv={tmp_path}/locust", "--output", "prometheus=0"),
        *("--name", "=1+1 <b>|\u202e", "--threshold", f"{HOSTILE[0]}: p50 < 1ns"),
    )
    url = running.wait_for_line(r"metrics at (http://\S+)", stream="stderr")[1]
    page = ""
    with contextlib.suppress(OSError):
        while True:
            page = fetch(url).decode()
    told = scripts.end(running)
    assert told.exit_code == 1, told.result
    ours = {as_shown(row["label"]): row["requests"]["ok"] for row in told.summary["labels"]}

    for file in ("t.csv", "live.csv"):
        labels = {row["label"] for row in read_csv(tmp_path / file)}
        assert set(names) <= {label.removeprefix("'") for label in labels}
        assert not [label for label in labels if label.startswith(("=", "+", "-", "@"))]
    found = [json.loads(line) for line in (tmp_path / "l.jsonl").read_text().splitlines()]
    assert set(names) <= {line["label"] for line in found}

    cases = read_junit(tmp_path / "j.xml")
    assert cases == {"run": "passed", as_shown(f"{HOSTILE[0]}: p50 < 1ns"): "failure"}

    # As a reader of Markdown sees it: no tag, no table's border, no link, and then the names themselves.
    text = (tmp_path / "m.md").read_text()
    assert not re.search(r"<|www\.|http://|\*bold\*", text)
    cells = [html.unescape(cell.strip()) for row in text.splitlines() for cell in row.split(" | ")]
    assert set(names) <= {cell.removeprefix("| ").removesuffix(" |").strip() for cell in cells}

    series = re.findall(
        r'^loadgen_requests_total\{.*label="((?:[^"\\]|\\.)*)".*\} (\S+)$', page, re.MULTILINE
    )
    unescaped = {re.sub(r"\\(.)", r"\1", label): float(value) for label, value in series}
    assert unescaped == {name: ours[name] for name in names}

    for name, columns in LOCUST.items():
        assert (tmp_path / f"locust_{name}.csv").read_text().splitlines()[0] == columns
    stats = read_csv(tmp_path / "locust_stats.csv")
    assert {row["Name"].removeprefix("'") for row in stats[:-1]} == set(names)
    assert "\x00" not in (tmp_path / "locust_stats.csv").read_text()


def test_locusts_files_have_our_numbers(loadgen: Loadgen, target: Target, tmp_path: Path) -> None:
    result = loadgen(
        *("blast", f"{target.url}/status/503", "--users", "2", "--duration", "1200ms", "--workers", "1"),
        *("--output", f"locust-csv={tmp_path}/l"),
    )
    requests, latency = result.summary["requests"], result.summary["latency"]["response"]
    total = requests["total"]
    (row, whole) = read_csv(tmp_path / "l_stats.csv")
    assert (row["Type"], row["Name"]) == ("GET", "/status/503")
    assert (whole["Type"], whole["Name"]) == ("", "Aggregated")
    for one in (row, whole):
        assert int(one["Request Count"]) == int(one["Failure Count"]) == total
        assert float(one["Requests/s"]) == pytest.approx(total / result.summary["duration_s"])
        for column, field in (("50%", "p50_ms"), ("99%", "p99_ms"), ("100%", "max_ms")):
            assert float(one[column]) == pytest.approx(latency[field], abs=6e-4)
        assert float(one["Average Content Size"]) == pytest.approx(
            requests["bytes_received"] / total, abs=1e-3
        )
    history = read_csv(tmp_path / "l_stats_history.csv")
    assert [int(one["Total Request Count"]) for one in history][-1] == total
    assert {(one["Type"], one["Name"]) for one in history} == {("", "Aggregated")}
    # The run is shorter than the window over which Locust takes its rates.
    moments = (result.run_folder / "timeline.jsonl").read_text().splitlines()
    assert len(moments) == len(history)
    rate = total / json.loads(moments[-1])["at_s"]
    assert float(history[-1]["Requests/s"]) == pytest.approx(rate, rel=0.01)
    (failure,) = read_csv(tmp_path / "l_failures.csv")
    assert (failure["Method"], failure["Error"], failure["Occurrences"]) == ("GET", "status 503", str(total))
    assert int(failure["First Seen"]) <= int(failure["Last Seen"])


def test_exceptions_of_a_script_are_in_locusts_fourth(scripts: Scripts, tmp_path: Path) -> None:
    told = scripts(
        """
        from loadgen import scenario

        @scenario
        async def breaks(user):
            await user.get("/")
            raise ValueError('=cmd|" /C calc"')
        """,
        *("--users", "1", "--iterations", "3", "--output", f"locust-csv={tmp_path}/l"),
        *("--output", f"junit={tmp_path}/j.xml"),
    )
    assert told.exit_code == 5, told.result
    (row,) = read_csv(tmp_path / "l_exceptions.csv")
    assert row["Count"] == "3" and "scenario.py:7" in row["Traceback"] and "=cmd" in row["Message"]
    assert not row["Message"].startswith("=")
    assert read_junit(tmp_path / "j.xml") == {"run": "error"}


def test_a_ci_summary_says_what_the_table_says(loadgen: Loadgen, target: Target, tmp_path: Path) -> None:
    file = tmp_path / "summary.md"
    file.write_text("made by the CI system")
    result = loadgen(
        *("blast", target.url, *LOAD, "--threshold", "p50 < 10s", "--threshold", "errors < 1%"),
        *("--output", f"markdown={file}", "--output", f"csv={tmp_path}/t.csv", "--name", "nightly"),
        environment={"LOADGEN_OUTPUT": f"junit={tmp_path}/never.xml"},
    )
    assert result.exit_code == 0, result
    text = file.read_text()
    assert text.startswith("## nightly: pass\n"), text
    assert f"{result.summary['requests']['total']:,} requests" in text and "| pass | p50 &lt; 10s |" in text
    (label, total) = read_csv(tmp_path / "t.csv")
    assert (label["label"], total["label"]) == ("GET /", "total")
    assert int(label["total"]) == int(total["ok"]) == result.summary["requests"]["total"]
    assert float(total["response_p50_ms"]) == result.summary["latency"]["response"]["p50_ms"]
    assert not (tmp_path / "never.xml").exists(), "what is typed stands for itself"


def test_what_never_ended_has_its_lines(loadgen: Loadgen, target: Target, tmp_path: Path) -> None:
    result = loadgen(
        *("blast", f"{target.url}/delay/60000", "--tps", "10", "--duration", "1s", "--drain", "100ms"),
        *("--workers", "1", "--output", f"jsonl={tmp_path}/l.jsonl"),
    )
    lines = [json.loads(line) for line in (tmp_path / "l.jsonl").read_text().splitlines()]
    told = [line["response"] for line in lines if "response" in line]
    assert sum(response["count"] for response in told) == 10, result
    assert {response["max"] for response in told} == {"inf"}


@pytest.mark.parametrize("kind", ["jsonl", "csv-live", "influx"])
def test_a_run_that_is_refused_leaves_an_earlier_ones_lines(
    loadgen: Loadgen, free_port: int, tmp_path: Path, kind: str
) -> None:
    file = tmp_path / "lines"
    file.write_text("of the run before\n")
    result = loadgen(
        *("blast", f"http://127.0.0.1:{free_port}", "--output", f"{kind}={file}"),
        *("--output", "csv=none/x"),
    )
    assert result.exit_code == 2 and "no folder" in result.stderr, result
    assert file.read_text() == "of the run before\n"


def test_a_pipe_that_nobody_reads_is_waited_for_by_nobody(
    loadgen: Loadgen, target: Target, tmp_path: Path
) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    result = loadgen("blast", target.url, *LOAD, "--output", f"jsonl={pipe}")
    assert result.exit_code == 2 and f"jsonl {pipe}: nobody reads it" in result.stderr, result
    result = loadgen("blast", target.url, *LOAD, "--output", f"junit={pipe}")
    assert result.exit_code == 2, result
    assert f"junit {pipe} could not be written: nobody reads it" in result.stderr, result


def test_what_is_open_already_is_written_to_as_it_is(loadgen: Loadgen, target: Target) -> None:
    """The shell's `>(...)` has such a path, too: nothing can be put in its place."""
    result = loadgen(
        *("blast", target.url, *LOAD, "--output", "jsonl=/dev/stdout", "--output", "markdown=/dev/stderr"),
        *("--summary-json", "/dev/fd/1", "--name", "nightly"),
    )
    assert result.exit_code == 0, result
    first, rest = result.stdout.split("\n", 1)
    assert json.loads(first)["label"] == "GET /" and '"schema": "loadgen/summary/1"' in rest, result
    assert rest.rstrip().endswith(result.run_folder.name) and "## nightly: pass" in result.stderr, result


BROKEN = """
from loadgen import scenario, session

@session
async def logged_in(user):
    yield

@scenario
async def nothing(user):
    pass

raise RuntimeError("no shop today")
"""


@pytest.mark.parametrize(
    ("arguments", "exit_code", "kind", "words"),
    [
        (("blast", "--tps", "fast"), 2, "unusable", "--tps: expected a rate such as"),
        (("blast", "--tps", "5", "--threshold", "p99 << 3"), 2, "unusable", "--threshold: "),
        (("blast", "http://nowhere.invalid/"), 4, "unreachable", "nowhere.invalid"),
        (("blast", "--baseline", "none"), 2, "unusable", "none"),
        (("run", "broken.py"), 2, "unusable", "no shop today"),
        (("ws", "ws://127.0.0.1:1/", "-n", "many"), 2, "unusable", "many"),
    ],
    ids=["rate", "threshold", "name", "baseline", "script", "sockets"],
)
def test_a_run_that_never_begins_is_one_failed_case(
    loadgen: Loadgen, tmp_path: Path, arguments: tuple[str, ...], exit_code: int, kind: str, words: str
) -> None:
    (tmp_path / "broken.py").write_text(BROKEN)
    result = loadgen(*arguments, "--output", "junit=j.xml", "--output", "csv=t.csv", folder=tmp_path)
    assert result.exit_code == exit_code and words in result.stderr, result
    assert read_junit(tmp_path / "j.xml") == {"run": "error"}
    case = ET.parse(tmp_path / "j.xml").find(".//testcase")  # noqa: S314 - our own
    assert case is not None and case.attrib["classname"] == f"loadgen.{arguments[0]}"
    error = case.find("error")
    assert error is not None and error.attrib["type"] == kind
    assert words in (error.text or ""), error.text
    assert not (tmp_path / "t.csv").exists()


def test_workers_that_cannot_start_are_one_failed_case(
    loadgen: Loadgen, target: Target, tmp_path: Path
) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\nif 'loadgen.worker_main' in sys.orig_argv: sys.exit('no room for a worker')\n"
    )
    result = loadgen(
        *("blast", target.url, *LOAD, "--output", f"junit={tmp_path}/j.xml"),
        environment={"PYTHONPATH": str(tmp_path)},
    )
    assert result.exit_code == 3 and "no room for a worker" in result.stderr, result
    assert read_junit(tmp_path / "j.xml") == {"run": "error"}
    assert "no room for a worker" in (tmp_path / "j.xml").read_text()


def test_a_report_of_no_run_that_cannot_be_written_is_told(loadgen: Loadgen) -> None:
    result = loadgen("blast", "--tps", "fast", "--output", "junit=/dev/full")
    assert result.exit_code == 2 and "expected a rate" in result.stderr, result
    assert "junit /dev/full could not be written: No space left" in result.stderr, result


@pytest.mark.parametrize("kind", ["csv-live", "jsonl"])
def test_a_full_device_is_named_and_costs_no_run(loadgen: Loadgen, target: Target, kind: str) -> None:
    result = loadgen("blast", target.url, *LOAD, "--output", f"{kind}=/dev/full")
    assert result.exit_code == 0, result
    assert f"{kind} /dev/full does not take what it is sent: No space left" in result.stderr, result


def test_a_report_that_cannot_be_written_is_told_and_the_run_has_not_passed(
    loadgen: Loadgen, target: Target, tmp_path: Path
) -> None:
    file = tmp_path / "report.xml"
    running = loadgen.start("blast", target.url, *LOAD, "--output", f"junit={file}")
    target.wait_for_requests(1)
    file.mkdir()
    result = running.wait()
    assert result.exit_code == 2 and "(exit code 2)" in result.stdout, result
    assert f"junit {file} could not be written" in result.stderr, result
    assert "Traceback" not in result.stderr, result
