"""`loadgen find-max` against the oracle: a real queue whose law is known, and ends without an answer."""

from __future__ import annotations

import json
import os
import signal
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Target
    from tests.support.command import CommandResult, Loadgen, RunningCommand

pytestmark = pytest.mark.alone  # a probe that is disturbed is not judged

LAW = 907.9  # of the M/M/1 queue: 1 % of its sojourns are above 50 ms
SLO = "p99 < 50ms, errors < 1%"


def document(result: CommandResult) -> dict[str, Any]:
    """What programs read; one that is broken by the machine says so, and nothing else is asked of it then."""
    found: dict[str, Any] = json.loads(result.stdout)
    assert found["schema"] == "loadgen/find-max/1" and found["exit_code"] == result.exit_code
    return found


def test_it_finds_the_limit_of_a_queue(loadgen: Loadgen, target: Target) -> None:
    """Short, so that the interval is wide; that long ones are right is shown on queues that are computed."""
    result = loadgen(
        *("find-max", f"{target.url}/queue/exp/1?seed=3", "--slo", SLO, "--from", "400"),
        *("--probe", "3s", "--budget", "18s", "--out", "search", "--summary-json", "-"),
        timeout_s=120,
    )
    found = document(result)
    probes = found["probes"]
    assert [probe["rate_per_s"] for probe in probes[:2]] == [400, 800] or found["outcome"] != "found", result
    for number, probe in enumerate(probes, 1):
        folder = result.folder / "search" / f"probe-{number:02}"
        summary = json.loads((folder / "summary.json").read_text())
        assert summary["target_rate_per_s"] == pytest.approx(probe["rate_per_s"], rel=0.2)
        assert summary["generator"]["verdict"] == probe["generator"]
        assert summary["plan"]["load"]["arrivals"] == "poisson"
    seeds = [
        json.loads(path.read_text())["load"]["seed"] for path in (result.folder / "search").rglob("plan.json")
    ]
    assert len(set(seeds)) == len(probes), "each probe has arrivals of its own"
    assert json.loads((result.folder / "search" / "find-max.json").read_text()) == found
    if found["outcome"] == "client-limited":  # a machine that is busy with other things
        assert result.exit_code == 3 and probes[-1]["generator"] == "client-limited" and found["why"], result
        return
    # The machine may make the queue slower than its law, never faster.
    assert result.exit_code in (0, 1), result
    assert found["outcome"] in ("found", "fails"), result
    assert found["low_per_s"] is None or found["low_per_s"] <= LAW * 1.1, result
    assert found["high_per_s"] <= 1600, result
    failed = [probe for probe in probes if not probe["passed"]]
    assert failed and max(probe["over"][0] / probe["of"][0] for probe in failed) > 0.01, result
    assert "p99 over rate" in result.stderr, result
    assert "It may take 18s (--budget), until it is known within 2 % either way." in result.stderr, result
    width = found["width"]
    assert width is None or width <= 0.02 or "before it was 2 % (--budget)" in found["why"], result


SCRIPT = """
from loadgen import Plan, User, scenario

@scenario
async def two(user: User) -> None:
    await user.get("/", name=user.arguments["first"])
    await user.get("/delay/5", name="second")

@scenario(users=3)
async def other(user: User) -> None:
    await user.get("/status/500")

plan = Plan(users=5, duration="1h", thresholds=["p99 < 1us"], iterations=3, arguments={"first": "first"})
"""


def test_the_rate_of_a_script_is_that_of_its_iterations(
    loadgen: Loadgen, target: Target, tmp_path: Path
) -> None:
    """Its own load and thresholds are set aside; what `run` takes otherwise is taken."""
    (tmp_path / "journey.py").write_text(SCRIPT)
    result = loadgen(
        *("find-max", str(tmp_path / "journey.py"), "--url", target.url, "--slo", "first page: p99 < 10s"),
        *("--scenario", "two", "--set", "first=first page", "--from", "400", "--up-to", "401"),
        *("--probe", "1s", "--precision", "10%", "--out", "search", "--summary-json", "-", "-w", "1"),
    )
    found = document(result)
    assert result.exit_code in (0, 3), result
    for number, probe in enumerate(found["probes"], 1):
        summary = json.loads((result.folder / "search" / f"probe-{number:02}" / "summary.json").read_text())
        assert summary["command"] == "run" and summary["plan"]["load"]["arrivals"] == "poisson"
        labels = {one["label"] for one in summary["labels"] if not one["label"].startswith("two")}
        assert labels == {"first page", "second"}, summary["labels"]
        assert [one["expression"] for one in summary["thresholds"]] == ["first page: p99 < 10s after 1s"]
        assert summary["arrivals"]["scheduled"] > 368
        assert 0 < probe["of"][0] < summary["requests"]["total"] / 2 + 1, (
            "one request of two, and not the first second"
        )
    if result.exit_code == 0:
        assert (found["outcome"], found["rate_per_s"]) == ("at-least", 401), result


def test_a_label_that_a_script_never_counts_is_a_mistake(loadgen: Loadgen, tmp_path: Path) -> None:
    (tmp_path / "journey.py").write_text(SCRIPT)
    result = loadgen(
        *("find-max", str(tmp_path / "journey.py"), "--slo", "third: p99 < 10s", "--scenario", "two"),
        *("--from", "400", "--probe", "1s"),
    )
    assert result.exit_code in (2, 3), result
    if result.exit_code == 2:
        assert '--slo: in a probe no request was counted as "third"' in result.stderr, result


def test_history_and_compare_read_the_probes(loadgen: Loadgen, target: Target, tmp_path: Path) -> None:
    ended = loadgen(
        *("find-max", f"{target.url}/", "--slo", "p99 < 10s", "--from", "400", "--up-to", "401"),
        *("--probe", "1s", "--out", str(tmp_path / "search")),
    )
    assert ended.exit_code in (0, 3), ended
    if ended.exit_code == 0:
        assert "at least 401/s" in ended.stdout, ended
    listed = loadgen("history", str(tmp_path / "search"))
    assert listed.exit_code == 0 and "probe-01" in listed.stdout and "probe-02" in listed.stdout, listed
    first, second = (str(tmp_path / "search" / f"probe-0{number}") for number in (1, 2))
    compared = loadgen("compare", first, second)
    assert compared.stdout.startswith("The plans differ"), compared


def test_a_target_that_is_not_there(loadgen: Loadgen, free_port: int) -> None:
    result = loadgen("find-max", f"http://127.0.0.1:{free_port}/", "--slo", "p99 < 1s", "--probe", "1s")
    assert result.exit_code == 4, result
    assert "cannot be reached" in result.stderr, result


def test_even_the_lowest_rate_fails(loadgen: Loadgen, target: Target) -> None:
    result = loadgen(
        *("find-max", f"{target.url}/status/500", "--slo", "errors < 1%", "--from", "500", "--probe", "1s")
    )
    assert result.exit_code in (1, 3), result
    said = "even 500/s fails" if result.exit_code == 1 else "the generator was the limit"
    assert said in " ".join(result.stdout.split()), result


def test_what_is_never_answered_is_an_error(loadgen: Loadgen, target: Target) -> None:
    """Longer than anybody waits: nothing has failed when the probe is over, and nothing is well."""
    result = loadgen(
        *("find-max", f"{target.url}/delay/60000", "--slo", "errors < 1%", "--from", "300", "--probe", "1s"),
        *("--drain", "100ms", "--workers", "1"),
    )
    assert result.exit_code in (1, 3), result
    said = "even 300/s fails" if result.exit_code == 1 else "the generator was the limit"
    assert said in " ".join(result.stdout.split()) and "100 %  failed" in result.stdout, result


def test_an_interrupt_ends_it_with_what_is_known(loadgen: Loadgen, target: Target) -> None:
    running = loadgen.start(
        *("find-max", f"{target.url}/", "--slo", "p99 < 10s", "--from", "400", "--probe", "1s")
    )
    running.wait_for_line("400/s", stream="stderr")
    running.wait_for_workers(1)
    running.interrupt()
    result = running.wait()
    assert result.exit_code == 130, result
    assert "Interrupted" in result.stdout and "exit code 130" in result.stdout, result


def start(loadgen: Loadgen, target: Target) -> RunningCommand:
    """A search that has a first probe behind it, and is in the middle of the next."""
    for _ in range(4):
        running = loadgen.start(
            *("find-max", f"{target.url}/", "--slo", "p99 < 10s, errors < 1%", "--from", "400"),
            *("--probe", "1s", "--drain", "1s", "--workers", "1", "--out", "search"),
        )
        if "kept" in running.wait_for_line("400/s .*(kept|not judged)", stream="stderr").group():
            target.wait_for_requests(target.requests()["total"] + 50)
            return running
        running.kill()
    pytest.skip("this machine is too busy for a probe that can be judged")


def whole(result: CommandResult, exit_code: int) -> str:
    """What it printed, on one line: the table of all probes, and how it ended."""
    assert result.exit_code == exit_code, result
    assert "p99   errors  outcome" in result.stdout and f"exit code {exit_code}" in result.stdout, result
    found = json.loads((result.folder / "search" / "find-max.json").read_text())
    assert found["exit_code"] == exit_code and found["probes"][0]["rate_per_s"] == 400
    assert "Traceback" not in result.stderr, result
    return " ".join(result.stdout.split())


def test_a_target_that_goes_away_leaves_the_table(loadgen: Loadgen, target: Target) -> None:
    running = start(loadgen, target)
    target.running.kill()
    said = whole(running.wait(), 4)
    assert "No answer, because the target could not be reached (" in said and "So far: 400/s kept it" in said


def test_workers_that_are_lost_leave_the_table(loadgen: Loadgen, target: Target) -> None:
    """One may be an accident: its probe is made again. Two in a row are none."""
    running = start(loadgen, target)
    (first,) = running.wait_for_workers(1)
    os.kill(first, signal.SIGKILL)
    running.wait_for_line("800/s .*not judged", stream="stderr")
    target.wait_for_requests(target.requests()["total"] + 50)
    (second,) = running.wait_for_workers(1)
    os.kill(second, signal.SIGKILL)
    said = whole(running.wait(), 3)
    assert f"worker 0 (pid {second}) was lost" in said and "400/s kept it" in said


def test_a_folder_that_is_taken_leaves_the_table(loadgen: Loadgen, target: Target, tmp_path: Path) -> None:
    (tmp_path / "search").mkdir()
    (tmp_path / "search" / "probe-03").write_text("in the way")
    result = loadgen(
        *("find-max", f"{target.url}/", "--slo", "p99 < 10s", "--from", "400", "--probe", "1s"),
        *("--out", str(tmp_path / "search")),
    )
    assert result.exit_code in (2, 3), result
    if result.exit_code == 2:
        assert "Broken off:" in result.stdout and "probe-03" in result.stdout, result
        assert "400/s" in result.stdout and "exit code 2" in result.stdout, result


def test_to_be_terminated_is_an_interrupt(loadgen: Loadgen, target: Target) -> None:
    running = start(loadgen, target)
    running.send_signal(signal.SIGTERM)
    said = whole(running.wait(), 130)
    assert "Interrupted. So far:" in said


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), "--slo"),
        (("--slo", "p99 < 5ms", "--precision", "0.1%"), '--precision: expected a share from "1%" to "20%"'),
        (("--slo", "p99 < 5ms", "--precision", "2"), '--precision: expected a share from "1%" to "20%"'),
        (("--slo", "p99 < 5ms", "missing.py"), "missing.py: no such file"),
        (("--slo", "p99 < 5ms", "--scenario", "one"), "--scenario: needs a script"),
        (("--slo", "p99 < 5ms", "missing.py", "-X", "PUT"), "--request: a script says itself what is sent"),
        (("--slo", "p99 < 5ms", "missing.py", "--users", "5"), "No such option"),
        (("--slo", "fast"), "--slo: expected METRIC OP VALUE"),
        (("--slo", "p99 > 5ms"), '--slo: expected conditions such as "p99 < 200ms, errors < 1%"'),
        (("--slo", "p99 < 5ms", "--from", "0"), "--from: expected a rate above 0"),
        (("--slo", "p99 < 5ms", "--from", "50", "--up-to", "20"), "--up-to: expected a rate above"),
        (("--slo", "p99 < 5ms", "--probe", "1ms"), '--probe: expected at least "1s"'),
        (("--slo", "p99 < 5ms", "--budget", "long"), '--budget: expected a duration such as "30s"'),
        (("--slo", "p99 < 5ms", "--arrivals", "even"), "--arrivals: expected"),
        (("--slo", "p99 < 5ms", "--users", "5"), "No such option"),
        (("--slo", "GET /other: p99 < 5ms"), '--slo: no request is counted as "GET /other"'),
    ],
)
def test_mistakes_are_said_before_anything_is_sent(
    loadgen: Loadgen, options: tuple[str, ...], said: str
) -> None:
    result = loadgen("find-max", *options)
    assert result.exit_code == 2, result
    assert said in result.stderr and "Traceback" not in result.stderr, result
    assert not list(result.folder.iterdir()), "a mistake costs no run"
