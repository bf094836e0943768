"""`loadgen find-max` against the oracle: a real queue whose law is known, and ends without an answer."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Target
    from tests.support.command import CommandResult, Loadgen

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
    assert failed and max(probe["over"][0] for probe in failed) > 0.01, result
    assert "p99 over rate" in result.stderr, result


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
    assert result.exit_code == 1, result
    assert "even 500/s fails" in result.stdout, result


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


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), "--slo"),
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
