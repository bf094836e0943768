"""Load from scripts obeys the laws of load from the engine alone: freezes, lateness and counts tell all.

In a scenario only the arrival has a due time: its first request and the whole iteration are counted from it,
later requests from when the script asks. What the script does to the processor is the generator's own doing:
it shows in lateness and in the verdict, never in the service time.
"""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from loadgen._engine import monotonic_ns
from tests.fidelity.conftest import Oracle, Stall
from tests.fidelity.laws import MS, Gate, delayed, pooled, spans
from tests.fidelity.observation import BUCKET, Distribution, assert_follows
from tests.support.scripts import NAME, Scripts, Told

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.conftest import NginxFactory
    from tests.fidelity.observation import Observation
    from tests.support.command import Loadgen, RunningCommand

ONE_GET = """\
from loadgen import User, scenario

@scenario
async def visit(user: User) -> None:
    response = await user.get("{path}")
    user.expect(response.status == 200, "status is 200")
"""


class ScriptedOracle(Oracle):
    """As Oracle, but what it is given is the source of a scenario file."""

    def command(self, url: str, path: str, folder: Path) -> tuple[str, ...]:
        (folder / NAME).write_text(path)
        return "run", NAME, "--url", url

    def check_books(self, run: Observation) -> None:
        Told(run.result, "").assert_iterations_balance()
        labels = {label["label"]: label["requests"]["total"] for label in run.summary["labels"]}
        for path, count in Counter(line.path for line in run.log).items():
            assert labels[f"GET {path}"] == count, run.result


@pytest.fixture
def scripted(loadgen: Loadgen, tmp_path: Path, tell: Callable[[str], None]) -> ScriptedOracle:
    """`scripted(check, source, *options)`: run the script against the oracle and compare."""
    return ScriptedOracle(loadgen, tmp_path, tell)


def response_of(run: Observation, label: str, samples: int) -> Distribution:
    """Response times of one label: a request's, or an iteration's under the name of its scenario."""
    return Distribution.read(
        run.folder / "latency.hlog", f"response:{quote(label, safe='')}", samples=samples
    )


def iterations_of(run: Observation, name: str) -> Distribution:
    return response_of(run, name, run.summary["arrivals"]["scheduled"])


def assert_counts_follow(measured: Distribution, law: list[float], what: str, *, spare: int = 50) -> None:
    """As many slow ones as the law says, at the least; catching up takes a while, and adds some."""
    for above_ms in (50, 100, 200, 400):
        at_least = sum(time_ns > above_ms * MS * (1 + 2 * BUCKET) for time_ns in law)
        at_most = sum(time_ns > (above_ms - 50) * MS for time_ns in law) + spare
        found = measured.above(above_ms * MS)
        assert at_least - 1 <= found <= at_most, f"{what} above {above_ms} ms: {found}, by the law {at_least}"


def test_a_known_delay_is_measured_as_it_is(scripted: ScriptedOracle) -> None:
    """Catches stamps taken in Python: the script's own time must not be in the request's."""

    def check(run: Observation) -> None:
        assert run.result.exit_code == 0, run.result
        assert_follows(run.service, run.true_service, "service")
        assert_follows(run.response, run.true_response, "response", reordered_ms=5)
        assert_follows(iterations_of(run, "visit"), run.true_response, "iteration", reordered_ms=5)
        assert run.summary["latency"]["service"]["min_ms"] >= 20
        (told,) = run.summary["checks"]
        assert (told["name"], told["passed"], told["failed"]) == ("status is 200", run.schedule.total, 0)

    scripted(check, ONE_GET.format(path="/delay/20"), "--tps", "400", "--duration", "3s")


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_stall_delays_every_iteration_that_was_due_in_it(scripted: ScriptedOracle, workers: str) -> None:
    """Catches coordinated omission by users: of a stall of 0.5 s in 4 s an eighth of all must tell."""

    def check(run: Observation) -> None:
        ideal = spans(run.dues, delayed(run.dues, 2 * MS, run.gate))
        for what, measured in (("request", run.response), ("iteration", iterations_of(run, "visit"))):
            assert_follows(measured, ideal, f"{what} against the schedule", slack_ms=3, tail_from=80)
            assert_follows(
                measured,
                run.true_response,
                f"{what} against the log",
                tail_from=80,
                reordered_ms=5,
                slack_ms=2,
            )
            expected = 400 * (0.5 - 0.048)
            assert measured.above(50 * MS) == pytest.approx(expected, abs=8), what
        # As many reached the oracle in the freeze as were due in it: the pool of users has grown.
        until_ns = run.gate.start_ns + run.gate.length_ns
        due = sum(run.gate.start_ns <= due_ns < until_ns for due_ns in run.dues)
        received = sum(run.gate.start_ns <= line.recv_ns < until_ns for line in run.log)
        assert received == pytest.approx(due, abs=max(5, 0.02 * due))

    options = ("--tps", "400", "--duration", "4s", "--workers", workers)
    scripted(check, ONE_GET.format(path="/delay/2"), *options, stall=Stall(at_s=1.5, for_s=0.5))


def test_a_pool_of_users_that_is_too_small_hides_no_stall(scripted: ScriptedOracle) -> None:
    """Catches iterations counted from when a user was free: four users, and everybody else waits for one."""

    def check(run: Observation) -> None:
        times = pooled(run.dues, 4, 2 * MS, run.gate)
        responses = spans(run.dues, (done_ns for _, done_ns in times))
        waits = spans(run.dues, (sent_ns for sent_ns, _ in times))
        for what, measured in (("request", run.response), ("iteration", iterations_of(run, "visit"))):
            assert_follows(measured, responses, what, slack_ms=40, tail_slack_ms=40)
        assert_follows(run.lateness, waits, "lateness", slack_ms=40, tail_slack_ms=40)
        assert 1 <= run.service.above(100 * MS) <= 4
        assert run.summary["generator"]["verdict"] == "client-limited", run.result
        assert run.result.exit_code == 3, run.result

    options = ("--tps", "400", "--duration", "4s", "--workers", "1", "--max-users", "4")
    scripted(check, ONE_GET.format(path="/delay/2"), *options, stall=Stall(at_s=1.5, for_s=0.5))


def test_a_stall_without_end_is_in_the_percentiles(scripted: ScriptedOracle) -> None:
    """Catches iterations that are forgotten because the run ends first."""

    def check(run: Observation) -> None:
        never = sum(line.sent_ns == 0 for line in run.log)
        expected = sum(due_ns + 2 * MS >= run.gate.start_ns for due_ns in run.dues)
        assert never == pytest.approx(expected, abs=5)
        assert run.summary["arrivals"]["unfinished"] == never, run.result
        for kind in ("response", "service"):
            latency = run.summary["latency"][kind]
            assert latency["count"] == run.schedule.total
            assert latency["p50_ms"] < 10
            assert [latency[name] for name in ("p75_ms", "p90_ms", "p99_ms", "max_ms")] == ["inf"] * 4
        assert iterations_of(run, "visit").infinite == never
        assert run.result.exit_code == 1, run.result

    options = ("--tps", "300", "--duration", "3s", "--drain", "1s", "--threshold", "p95 < 1s")
    scripted(check, ONE_GET.format(path="/delay/2"), *options, stall=Stall(at_s=2, for_s=60))


def test_only_the_first_request_of_a_journey_is_counted_from_when_it_was_due(
    scripted: ScriptedOracle,
) -> None:
    """Catches a due time that is handed on: the second request is asked for when the freeze is over."""
    source = """\
from loadgen import User, scenario

@scenario
async def journey(user: User) -> None:
    await user.get("/delay/2")
    await user.get("/delay/3")
"""

    def check(run: Observation) -> None:
        total = run.schedule.total
        first, second = (response_of(run, f"GET /delay/{number}", total) for number in (2, 3))
        after_first = delayed(run.dues, 2 * MS, run.gate)
        ends = delayed(after_first, 3 * MS, run.gate)
        assert_counts_follow(first, spans(run.dues, after_first), "the first request", spare=5)
        assert_counts_follow(iterations_of(run, "journey"), spans(run.dues, ends), "the iteration", spare=5)
        # Asked for in the freeze were those that the first answer had just reached: some 3 ms of arrivals.
        asked_for = sum(
            answered_ns < run.gate.start_ns <= answered_ns + 5 * MS for answered_ns in after_first
        )
        assert second.above(100 * MS) <= asked_for + 5
        assert second.percentile(50) >= 3 * MS
        assert run.summary["requests"]["ok"] == 2 * total

    options = ("--tps", "400", "--duration", "4s", "--workers", "1")
    scripted(check, source, *options, stall=Stall(at_s=1.5, for_s=0.5))


# What the generator does to itself


def test_a_worker_that_stood_still_owes_it_all(scripted: ScriptedOracle) -> None:
    """Catches latencies counted from when the loop woke up."""
    stops: list[Gate] = []

    def stop_for_half_a_second(running: RunningCommand) -> None:
        (worker,) = running.wait_for_workers(1)
        time.sleep(1)
        os.kill(worker, signal.SIGSTOP)
        stopped_ns = monotonic_ns()
        time.sleep(0.5)
        stops.append(Gate(stopped_ns, monotonic_ns() - stopped_ns))
        os.kill(worker, signal.SIGCONT)

    def check(run: Observation) -> None:
        assert_client_stood_still(run, stops[-1])

    options = ("--tps", "400", "--duration", "4s", "--workers", "1")
    scripted(check, ONE_GET.format(path="/delay/2"), *options, deed=stop_for_half_a_second)


def test_a_script_that_burns_the_processor_shows_in_lateness_alone(scripted: ScriptedOracle) -> None:
    """Catches the script's own work in the service time: for half a second it lets nobody else run."""
    source = """\
import time
from pathlib import Path
from loadgen import User, scenario

WHEN = Path(__file__).with_name("burnt")
begun = 0

@scenario
async def visit(user: User) -> None:
    global begun
    begun += 1
    if begun == 600:
        start_ns = time.monotonic_ns()
        while time.monotonic_ns() < start_ns + 500_000_000:
            pass
        WHEN.write_text(f"{start_ns} {time.monotonic_ns()}")
    await user.get("/delay/2")
"""

    def check(run: Observation) -> None:
        start_ns, end_ns = map(int, (run.folder.parent / "burnt").read_text().split())
        assert_client_stood_still(run, Gate(start_ns, end_ns - start_ns))
        text = run.result.stdout + run.result.stderr
        assert f"{NAME}:13" in text or f"{NAME}:14" in text or "scenario code" in text, run.result

    scripted(check, source, "--tps", "400", "--duration", "4s", "--workers", "1")


def assert_client_stood_still(run: Observation, freeze: Gate) -> None:
    """Lateness and response follow the law of a stall; service does not, but for the few in flight."""
    late = spans(run.dues, delayed(run.dues, 0, freeze))
    assert_counts_follow(run.lateness, late, "lateness")
    assert_counts_follow(run.response, late, "response")
    assert_counts_follow(iterations_of(run, "visit"), late, "iteration")
    assert run.service.above(100 * MS) <= 5, "a stop of the client is no service time"
    # The oracle saw nothing meanwhile.
    end_ns = freeze.start_ns + freeze.length_ns
    assert not [line for line in run.log if freeze.start_ns + 5 * MS < line.recv_ns < end_ns]
    assert run.summary["generator"]["verdict"] == "client-limited", run.summary["generator"]
    assert run.result.exit_code == 3, run.result


# Counts


SHOP = """\
from loadgen import User, scenario

@scenario(weight=3)
async def browse(user: User) -> None:
    listing = await user.get("/items")
    number = listing.json()["first"] + user.iteration % 3
    await user.get("/items/{id}", path={"id": number})
    await user.get("/items/{id}", path={"id": "none"})

@scenario(weight=1)
async def buy(user: User) -> None:
    await user.post("/orders", json={"item": 1})
    if user.iteration % 2:
        raise LookupError("changed their mind")
    await user.delete("/orders", params={"last": "yes"})
"""

SHOP_LOCATIONS = """
location = /items { default_type application/json; return 200 '{"first": 7}'; }
location = /items/none { return 404 "none\\n"; }
location /items/ { return 200 "item\\n"; }
location = /orders { return 201 "done\\n"; }
"""


@pytest.mark.parametrize(
    "load",
    [
        ("--tps", "200", "--duration", "1s", "--workers", "1"),
        ("--tps", "200", "--duration", "1s", "--workers", "2", "--arrivals", "poisson", "--seed", "5"),
        ("--users", "6", "--duration", "500ms", "--workers", "2"),
    ],
    ids=["open", "poisson by two workers", "closed"],
)
def test_nginx_has_counted_what_the_script_has_asked_for(
    loadgen: Loadgen, nginx: NginxFactory, tmp_path: Path, load: tuple[str, ...]
) -> None:
    """By method and path, by status, and byte for byte; every label holds exactly its requests."""
    server = nginx(locations=SHOP_LOCATIONS)
    told = Scripts(loadgen, tmp_path)(SHOP, "--url", server.url, *load)
    arrivals = told.assert_iterations_balance()
    summary, result = told.summary, told.result
    lines = server.access_log()
    assert len(lines) == summary["requests"]["total"] > 50, result
    assert dict(Counter(str(line.status) for line in lines)) == summary["requests"]["status"], result
    assert not summary["requests"]["errors"], result
    # nginx does not count a body that it throws away.
    bodies = sum(len(b'{"item":1}') for line in lines if line.method == "POST")
    assert sum(line.request_bytes for line in lines) + bodies == summary["requests"]["bytes_sent"], result
    assert sum(line.response_bytes for line in lines) == summary["requests"]["bytes_received"], result

    def label_of(method: str, uri: str) -> str:
        path = uri.partition("?")[0]
        return f"{method} /items/{{id}}" if path.startswith("/items/") else f"{method} {path}"

    by_label = Counter(label_of(line.method, line.uri) for line in lines)
    labels = {label["label"]: label["requests"]["total"] for label in summary["labels"]}
    assert {label: labels.get(label) for label in by_label} == dict(by_label), result

    # A journey that ended well has made all of its requests; one that changed its mind made the first.
    assert arrivals["unfinished"] == 0, result
    assert arrivals["failed"] == by_label["POST /orders"] - by_label["DELETE /orders"], result
    assert arrivals["sent"] == by_label["GET /items"] + by_label["POST /orders"], result
    assert by_label["GET /items/{id}"] == 2 * by_label["GET /items"], result
    assert 404 in {line.status for line in lines}
    if load[0] == "--tps" and "poisson" not in load:
        assert arrivals["scheduled"] == 200, result
        assert by_label["GET /items"] == pytest.approx(150, abs=30), "three to one"
