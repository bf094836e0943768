"""Mistakes of the user: exit code 2, a line that names the option and says what was expected."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Target
    from tests.support.command import CommandResult, Loadgen

# What is typed, what the message must name, and what else it must say.
MISTAKES: dict[str, tuple[tuple[str, ...], str, str]] = {
    "a rate of nothing": (("--tps", "0"), "--tps", "above 0"),
    "a rate in words": (("--tps", "fast"), "--tps", '"fast"'),
    "a negative rate": (("--tps", "-5"), "--tps", '"-5"'),
    "a rate beyond reason": (("--tps", "1000000000"), "--tps", "at most"),
    "a negative duration": (("--tps", "5", "--duration", "-5s"), "--duration", '"-5s"'),
    "a duration of nothing": (("--tps", "5", "-d", "0s"), "--duration", "above 0"),
    "a duration without sense": (("--tps", "5", "-d", "1h30x"), "--duration", '"1h30x"'),
    "a negative timeout": (("--tps", "5", "--timeout", "-1s"), "--timeout", '"-1s"'),
    "a negative drain": (("--tps", "5", "--drain", "-1s"), "--drain", '"-1s"'),
    "both models": (("--tps", "5", "--users", "5"), "--users", "--tps"),
    "no users": (("--users", "0"), "--users", "1 or more"),
    "half a user": (("--users", "1.5"), "--users", '"1.5"'),
    "no connections": (("--tps", "5", "-c", "0"), "--connections", "1 or more"),
    "no workers": (("--tps", "5", "-w", "0"), "--workers", "1 or more"),
    "a stage without a rate": (("--stage", "30s"), "--stage", "T:RATE"),
    "a stage in words": (("--stage", "30s:fast"), "--stage", '"fast"'),
    "stages and a duration": (("--stage", "1s:5", "-d", "5s"), "--duration", "--stage"),
    "stages in rates and users": (("--stage", "1s:5", "--stage", "1s:5users"), "--stage", "all stages"),
    "stages without load": (("--stage", "1s:0"), "--stage", "no load"),
    "a shape nobody knows": (("--preset", "storm", "--tps", "5"), "--preset", "smoke"),
    "arrivals nobody knows": (("--tps", "5", "--arrivals", "pareto"), "--arrivals", "poisson"),
    "arrivals of users": (("--users", "5", "--arrivals", "poisson"), "--arrivals", "--tps"),
    "a seed in words": (("--tps", "5", "--seed", "lucky"), "--seed", '"lucky"'),
    "a pacing nobody knows": (("--tps", "5", "--pacing", "calm"), "--pacing", "eco, hybrid, spin"),
    "a header without a colon": (("--tps", "5", "-H", "Accept"), "--header", "NAME:VALUE"),
    "a header with a space in its name": (("--tps", "5", "-H", "Acc ept: x"), "--header", '"Acc ept"'),
    "a header that would be two": (("--tps", "5", "-H", "A: b\r\nC: d"), "--header", "control characters"),
    "a method that would be two": (("--tps", "5", "-X", "GET /"), "--request", '"GET /"'),
    "a threshold without sense": (("--tps", "5", "--threshold", "fast please"), "--threshold", "p99 < 250ms"),
    "a threshold on nothing": (("--tps", "5", "--threshold", "speed < 5ms"), "--threshold", '"speed"'),
    "a threshold on an error that none is": (
        ("--tps", "5", "--threshold", "errors.tiemout < 1%"),
        "--threshold",
        'no error is called "tiemout", did you mean "timeout"?',
    ),
    "a threshold without a unit": (("--tps", "5", "--threshold", "p99 < 250"), "--threshold", "unit"),
    "a threshold on a label that is not there": (
        ("--tps", "5", "--threshold", "GET /other: p99 < 1s"),
        "--threshold",
        'the only label is "GET /"',
    ),
    "more workers than connections": (("-c", "2", "-w", "3"), "--workers", "--connections"),
    "a seed beyond 64 bits": (("--tps", "5", "--seed", str(2**64)), "--seed", "at most"),
    "two bodies": (("--tps", "5", "--body", "x", "--body-file", "y"), "--body-file", "--body"),
    "a body that is not there": (("--tps", "5", "--body-file", "none.bin"), "--body-file", "No such file"),
    "JSON that is none": (("--tps", "5", "--json", "{x"), "--json", "JSON"),
    "a digest of nobody": (("--tps", "5", "--digest"), "--digest", "--auth USER:PASSWORD"),
    "a digest of a token": (("--digest", "--bearer", "x"), "--digest", "--auth USER:PASSWORD"),
    "a digest without a password": (("--digest", "--auth", "me"), "--auth", "USER:PASSWORD"),
    "a digest beside a header": (("--digest", "--auth", "a:b", "-H", "Authorization: x"), "--auth", "header"),
    "hops in words": (("-L", "--max-redirs", "few"), "--max-redirs", '"few"'),
    "redirects in a ring": (("-L", "--reactor", "uring"), "--reactor", "no redirects"),
    "an output nobody knows": (("--output", "graphite=x"), "--output", "statsd, dogstatsd, jsonl, csv-live"),
    "an output spelt wrongly": (("--output", "promethus"), "--output", 'did you mean "prometheus"'),
    "an output without its file": (("--output", "junit"), "--output", "junit=FILE"),
    "an output to no URL": (("--output", "influx=http://127.0.0.1:8086"), "--output", "/write?db="),
    "an output to no port": (("--output", "prometheus=localhost"), "--output", "HOST:PORT"),
    "a report in no folder": (("--output", "junit=none/report.xml"), "junit none/report.xml", "no folder"),
    "an output to nobody's home": (("--output", "csv=~nobody-is-called-so/x"), "--output", "no such home"),
    "an output to no host": (("--output", "statsd=a..b:1"), "--output", "HOST:PORT"),
    "one file for two outputs": (
        ("--output", "csv=x", "--output", "junit=./x"),
        "junit ./x",
        "csv x writes to this file too",
    ),
    "an option nobody knows": (("--tsp", "5"), "--tsp", "--tps"),
    "an option without its value": (("--tps",), "--tps", "argument"),
    "targets that are not there": (("--targets", "none.txt"), "--targets", "none.txt cannot be read"),
    "a summary in no folder": (("--summary-json", "none/s.json"), "--summary-json", "no folder none"),
    "a name that is no text": (("--name", "\udcff"), "\\udcff", "not UTF-8"),
}
# The same of other commands.
OTHERS: dict[str, tuple[tuple[str, ...], str, str]] = {
    "a port in words": (("target", "--port", "web"), "--port", 'a whole number, 0 or more, got "web"'),
    "a port beyond all": (("target", "--port", "99999"), "--port", "at most 65,535"),
    "a share of twice as much": (("target", "--feed-lose", "2"), "--feed-lose", "from 0 to 1"),
    "a channel at no rate": (("target", "--feed", "blocks=x"), "rate of blocks", '"x"'),
    "users in words": (("quick", "-c", "few", "http://127.0.0.1"), "--count", '1 or more, got "few"'),
    "a search in no folder": (
        ("find-max", "--slo", "p99 < 1s", "--summary-json", "none/s.json"),
        "--summary-json",
        "no folder none",
    ),
    "a test of k6's": (("run", "test.js"), "test.js", "loadgen init"),
    "a Locust file that is not there": (("locust",), "locustfile.py", "-f names another"),
    "past runs that are not there": (("history",), "no folder runs", "--out"),
    "a run that is not there": (("report", "runs/monday"), "no folder runs/monday", "--out"),
    "a script in place of a URL": (
        ("blast", "scenario.py"),
        "scenario.py is a file",
        "loadgen run scenario.py",
    ),
    "a socket in place of a URL": (("blast", "ws://127.0.0.1/"), "URL", "loadgen ws"),
    "a file that is no text": (("init", "\udcff.py"), "\\udcff.py", "not UTF-8"),
    "a few requests to no text": (("quick", "http://127.0.0.1/\udcff"), "\\udcff", "not UTF-8"),
    "a URL that is no text": (("blast", "http://127.0.0.1/\udcff"), "URL", "not UTF-8"),
}


def assert_refused(result: CommandResult, *words: str, lines: int = 2) -> None:
    """Exit code 2, a short message, nothing on stdout, no run folder."""
    assert result.exit_code == 2, result
    assert not result.stdout, result
    assert "Traceback" not in result.stderr, result
    assert len(result.stderr.splitlines()) <= lines, result
    assert result.stderr.startswith("loadgen"), result
    for word in words:
        assert word in result.stderr, result
    assert not list(result.folder.rglob("*")), "what is refused leaves nothing behind"


@pytest.mark.parametrize(("arguments", "place", "text"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_named_and_nothing_is_sent(
    loadgen: Loadgen, free_port: int, arguments: tuple[str, ...], place: str, text: str
) -> None:
    # Nobody listens there: had it gone so far as to look, the exit code would be 4.
    result = loadgen("blast", f"http://127.0.0.1:{free_port}", *arguments)
    assert_refused(result, place, text)


@pytest.mark.parametrize(("arguments", "place", "text"), OTHERS.values(), ids=OTHERS)
def test_a_mistake_in_another_command_is_named(
    loadgen: Loadgen, tmp_path: Path, arguments: tuple[str, ...], place: str, text: str
) -> None:
    for name in ("scenario.py", "test.js"):
        (tmp_path / name).touch()
    result = loadgen(*arguments, folder=tmp_path)
    for name in ("scenario.py", "test.js"):
        (tmp_path / name).unlink()
    assert_refused(result, place, text, lines=3)


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("ftp://127.0.0.1/", 'the scheme "ftp" is not supported'),
        ("http://", "expected a URL"),
        ("http://127.0.0.1:port/", "expected a URL"),
        ("http://127.0.0.1:99999/", "expected a URL"),
        ("http://[::1/", "expected a URL"),
        ("http://a b/", "not a host name"),
    ],
)
def test_a_url_that_cannot_be_used_is_refused(loadgen: Loadgen, url: str, text: str) -> None:
    assert_refused(loadgen("blast", url, "--tps", "5"), "URL", text)


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("LOADGEN_TPS", "fast", '"fast"'),
        ("LOADGEN_DURATION", "-1s", '"-1s"'),
        ("LOADGEN_STAGE", "30s", "T:RATE"),
        ("LOADGEN_HEADER", "Accept", "NAME:VALUE"),
        ("LOADGEN_THRESHOLD", "p99 <", "p99 < 250ms"),
        ("LOADGEN_BODY_FILE", "none.bin", "No such file"),
    ],
)
def test_a_mistake_in_the_environment_is_named_by_its_variable(
    loadgen: Loadgen, free_port: int, name: str, value: str, text: str
) -> None:
    result = loadgen("blast", f"http://127.0.0.1:{free_port}", environment={name: value})
    assert_refused(result, name, text)


def test_all_mistakes_are_reported_at_once(loadgen: Loadgen, free_port: int) -> None:
    result = loadgen(
        *("blast", f"http://127.0.0.1:{free_port}", "--tps", "fast", "--duration", "-1s"),
        *("--threshold", "p99 < 250", "--pacing", "calm"),
    )
    assert_refused(result, "--tps", "--duration", "--threshold", "--pacing", lines=4)


def test_a_command_nobody_knows_is_met_with_the_nearest(loadgen: Loadgen) -> None:
    assert_refused(loadgen("blats"), "blats", "blast")


def test_a_run_folder_that_cannot_be_made_is_refused_before_anything_is_sent(
    loadgen: Loadgen, target: Target, tmp_path: Path
) -> None:
    file = tmp_path / "file"
    file.write_text("in the way")
    result = loadgen("blast", target.url, "--tps", "45", "--duration", "200ms", "--out", str(file / "run"))
    assert_refused(result, "--out", "cannot be written", str(file / "run"))
    assert target.requests()["total"] == 0
    assert file.read_text() == "in the way"


def test_another_runs_folder_is_not_written_over(loadgen: Loadgen, target: Target, tmp_path: Path) -> None:
    arguments = ("blast", target.url, "--tps", "45", "--duration", "200ms", "--out", str(tmp_path / "run"))
    first = loadgen(*arguments)
    assert first.exit_code == 0, first
    before = (tmp_path / "run/summary.json").read_bytes()
    assert_refused(loadgen(*arguments), "already holds a run", "--out")
    assert (tmp_path / "run/summary.json").read_bytes() == before
    assert target.requests()["total"] == 9


def test_an_extra_that_is_not_installed_is_named(loadgen: Loadgen, target: Target, tmp_path: Path) -> None:
    (tmp_path / "prometheus_client.py").write_text("raise ImportError('as where it is not installed')")
    bare = {"PYTHONPATH": str(tmp_path)}
    result = loadgen("blast", target.url, "--output", "prometheus", environment=bare)
    assert_refused(result, "--output", "pip install 'loadgen[prometheus]'")
    assert target.requests()["total"] == 0


def test_a_port_that_is_taken_is_named(loadgen: Loadgen, target: Target) -> None:
    result = loadgen("target", "--port", str(target.port))
    assert_refused(result, str(target.port), "in use")
    result = loadgen("blast", target.url, "--output", f"prometheus={target.port}")
    assert_refused(result, f"prometheus 127.0.0.1:{target.port}", "in use")
    assert target.requests()["total"] == 0
