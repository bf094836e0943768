"""`loadgen locust`: Locust's flags, variables and files, what it writes, how it ends."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import Target
    from tests.support.locustfiles import Locustfiles

FILE = """
from locust import HttpUser, constant, events, tag, task

class Reader(HttpUser):
    wait_time = constant(0.02)

    @tag("well")
    @task(3)
    def page(self):
        self.client.get("/bytes/10")

    @tag("ill")
    @task
    def missing(self):
        self.client.get("/status/404", name="missing")

class Writer(HttpUser):
    wait_time = constant(0.02)

    @tag("well")
    @task
    def post(self):
        self.client.post("/echo", json={"a": 1})
"""
RAISES = """
from locust import User, constant, task

class One(User):
    wait_time = constant(0.02)

    @task
    def raises(self):
        raise RuntimeError("on purpose")
"""
SHORT = ("-t", "1s", "-u", "4", "-r", "4")


def test_a_failed_request_ends_it_as_locust_ends(locustfiles: Locustfiles, target: Target) -> None:
    run = locustfiles.run(FILE, "-H", target.url, *SHORT)
    assert run.exit_code == 1, run.result
    assert "requests failed (--exit-code-on-error)" in run.result.stdout
    run = locustfiles.run(FILE, "-H", target.url, *SHORT, "--exit-code-on-error", "7")
    assert run.exit_code == 7, run.result
    run = locustfiles.run(FILE, "-H", target.url, *SHORT, "--tags", "well")
    assert run.exit_code == 0, run.result
    assert set(run.labels) == {"GET /bytes/10", "POST /echo"}


def test_a_summary_that_could_not_be_written_costs_no_run(locustfiles: Locustfiles, target: Target) -> None:
    run = locustfiles.run(FILE, "-H", target.url, *SHORT, "--summary-json", "none/s.json")
    assert run.exit_code == 2, run.result
    assert "--summary-json: there is no folder" in run.result.stderr, run.result
    assert not list(run.result.folder.glob("runs")), run.result


def test_an_exception_ends_it_likewise(locustfiles: Locustfiles, target: Target) -> None:
    run = locustfiles.run(RAISES, "-H", target.url, *SHORT, "--csv", "l")
    assert run.exit_code == 1, run.result
    (row,) = run.table("l_exceptions.csv")
    assert row["Message"] == "on purpose"
    assert int(row["Count"]) > 10
    assert "raise RuntimeError" in row["Traceback"]


def test_a_listener_may_say_how_it_ends(locustfiles: Locustfiles, target: Target) -> None:
    listener = """
@events.quitting.add_listener
def judge(environment, **rest):
    total = environment.stats.total
    page = environment.stats.get("/bytes/10", "GET")
    ok = page.num_requests > 5 and page.fail_ratio == 0 and 0 < total.fail_ratio < 1
    errors = [one.occurrences for one in environment.stats.errors.values()]
    ok = ok and total.num_failures == sum(errors) and total.avg_response_time > 0
    environment.process_exit_code = 42 if ok else 43
"""
    run = locustfiles.run(FILE + listener, "-H", target.url, *SHORT)
    assert run.exit_code == 42, run.result
    assert "environment.process_exit_code" in run.result.stdout


def test_four_files_as_locust_writes_them(locustfiles: Locustfiles, target: Target) -> None:
    run = locustfiles.run(
        FILE, "-H", target.url, "-t", "2s", "-u", "4", "-r", "4", "--csv", "l", "--csv-full-history"
    )
    stats = {(row["Type"], row["Name"]): row for row in run.table("l_stats.csv")}
    # By name, and then by method.
    assert list(stats) == [("GET", "/bytes/10"), ("POST", "/echo"), ("GET", "missing"), ("", "Aggregated")]
    for (method, name), row in stats.items():
        if method:
            assert (int(row["Request Count"]), int(row["Failure Count"])) == run.labels[f"{method} {name}"]
        assert row["100%"].isdigit()
        assert int(row["50%"]) <= int(row["99%"]) <= int(row["100%"])
    (failure,) = run.table("l_failures.csv")
    assert (failure["Method"], failure["Name"]) == ("GET", "missing")
    assert failure["Error"] == "HTTPError('404 Client Error: Not Found for url: missing')"
    assert int(failure["Occurrences"]) == int(stats["GET", "missing"]["Failure Count"])
    assert failure["First Seen"].endswith("Z")
    history = run.table("l_stats_history.csv")
    names = [row["Name"] for row in history]
    assert names.count("/bytes/10") >= 1
    assert history[-1]["Name"] == "Aggregated"
    assert history[-1]["Total Request Count"] == stats["", "Aggregated"]["Request Count"]
    assert run.table("l_exceptions.csv") == []


def test_statistics_as_json_and_a_page(locustfiles: Locustfiles, target: Target) -> None:
    run = locustfiles.run(
        FILE, "-H", target.url, *SHORT, "--json", "--json-file", "stats", "--html", "u{u}-r{r}-t{t}.html"
    )
    entries = json.loads(run.result.stdout)
    assert json.loads((run.folder / "stats.json").read_text()) == entries
    found = {f"{entry['method']} {entry['name']}": entry for entry in entries}
    assert {label: (one["num_requests"], one["num_failures"]) for label, one in found.items()} == run.labels
    page = found["GET /bytes/10"]
    assert sum(page["response_times"].values()) == page["num_requests"]
    assert sum(page["num_reqs_per_sec"].values()) == page["num_requests"]
    assert (run.folder / "u4-r4-t1.html").read_text().startswith("<!doctype html>")


SLOW = """
from locust import FastHttpUser, task

class Slow(FastHttpUser):
    @task
    def wait(self):
        self.client.get("/delay/200")
"""


def test_what_ends_after_the_time_is_in_its_second_too(locustfiles: Locustfiles, target: Target) -> None:
    """Twice in a second it may be looked at: at the end of the load, and at the end of all."""
    run = locustfiles.run(SLOW, "-H", target.url, "-u", "9", "-r", "9", "-t", "1", "-s", "5", "--json")
    (entry,) = json.loads(run.result.stdout)
    assert sum(entry["num_reqs_per_sec"].values()) == entry["num_requests"] >= 9, run.result


def test_what_is_said_in_files_and_variables(locustfiles: Locustfiles, target: Target) -> None:
    run = locustfiles.run(
        FILE,
        "Writer",
        beside={"locust.conf": f"host = {target.url}\nusers = 2\nspawn-rate = 10\nrun-time = 1s\n"},
        environment={"LOCUST_USERS": "3"},
    )
    assert run.exit_code == 0, run.result
    assert set(run.labels) == {"POST /echo"}
    assert "Writer: 3 users" in run.result.stdout + run.result.stderr


def test_a_file_has_arguments_of_its_own(locustfiles: Locustfiles, target: Target) -> None:
    source = """
from locust import HttpUser, constant, events, task

@events.init_command_line_parser.add_listener
def more(parser):
    parser.add_argument("--size", type=int, default=1, env_var="SIZE", is_secret=False, help="of a page")

class One(HttpUser):
    wait_time = constant(0.02)

    @task
    def page(self):
        self.client.get(f"/bytes/{self.environment.parsed_options.size}")
"""
    run = locustfiles.run(source, "-H", target.url, *SHORT, "--size", "12")
    assert set(run.labels) == {"GET /bytes/12"}
    run = locustfiles.run(source, "-H", target.url, *SHORT, environment={"SIZE": "13"})
    assert set(run.labels) == {"GET /bytes/13"}
    shown = locustfiles.run(source, "--help").result
    assert shown.exit_code == 0
    assert "--size" in shown.stdout
    assert "--spawn-rate" in shown.stdout


def test_run_takes_the_file_by_its_name_and_several_processes(
    locustfiles: Locustfiles, target: Target
) -> None:
    words = ("--headless", "--url", target.url, *SHORT, "--processes", "2")
    run = locustfiles.run(FILE, *words, command=("run", "locustfile.py", "Reader"))
    assert run.exit_code == 1, run.result
    assert set(run.labels) == {"GET /bytes/10", "GET missing"}
    assert len(run.result.summary["workers"]) == 2


def test_folders_and_several_files(locustfiles: Locustfiles) -> None:
    more = FILE.replace("Reader", "Another").replace("Writer", "Third")
    run = locustfiles.run(
        FILE, "-f", "locustfile.py,more", "-l", beside={"more/one.py": more, "more/util.py": "x = 1"}
    )
    assert run.result.stdout.split()[2:] == ["Another", "Reader", "Third", "Writer"], run.result


def test_how_often_tasks_come(locustfiles: Locustfiles) -> None:
    shown = locustfiles.run(FILE, "--show-task-ratio").result.stdout
    assert " 75.0         page" in shown
    shares = json.loads(locustfiles.run(FILE, "--show-task-ratio-json", "Reader").result.stdout)
    assert shares["per_class"]["Reader"]["tasks"]["missing"] == {"ratio": 0.25}
    assert list(shares["total"]) == ["Reader"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--slave"], "--slave is gone: it is called --worker"),
        (["-n", "3"], "-n is gone"),
        (["--nothing"], "--nothing"),
        (["--headles"], "Did you mean --headless?"),
        (["Nobody"], "no user class Nobody: there are Reader, Writer"),
        (["--master"], "workers of several machines are not there"),
        (["-f", "nowhere.py"], "nowhere.py: no such file"),
        (["--processes", "0"], "--processes: expected a number of workers"),
        (["-L", "LOUD"], "-L: expected DEBUG"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(locustfiles: Locustfiles, words: list[str], said: str) -> None:
    result = locustfiles.run(FILE, "-t", "1s", *words).result
    assert result.exit_code == 2, result
    assert said in result.stderr
    assert "Traceback" not in result.stderr


def test_what_is_of_no_use_is_told(locustfiles: Locustfiles, target: Target) -> None:
    run = locustfiles.run(
        FILE,
        "-H",
        target.url,
        *SHORT,
        "-T",
        "well",
        "--web-port",
        "8090",
        "--expect-workers",
        "2",
        "--autostart",
    )
    assert run.exit_code == 0, run.result
    for name in ("--web-port", "--expect-workers", "--autostart"):
        assert f"{name} is of no use here" in run.result.stderr


def test_thresholds_and_an_unreachable_target(
    locustfiles: Locustfiles, target: Target, free_port: int
) -> None:
    run = locustfiles.run(FILE, "-H", target.url, *SHORT, "-T", "well", "--threshold", "p50 < 1ns")
    assert run.exit_code == 1, run.result
    run = locustfiles.run(FILE, "-H", f"http://127.0.0.1:{free_port}", *SHORT, "--exit-code-on-error", "5")
    assert run.exit_code == 4, run.result
