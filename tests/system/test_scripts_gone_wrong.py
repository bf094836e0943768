"""Scripts with mistakes: told in the user's own line, with the remedy and the exit code, and never a hang."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from tests.support.scripts import CLOSED, ONE_WORKER

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Target
    from tests.support.command import Loadgen
    from tests.support.scripts import Scripts

OPEN = ("--tps", "20", "--duration", "1s", *ONE_WORKER)


# Mistakes that are found before any load


UNREADABLE = {
    "a syntax error": (
        """\
        from loadgen import User, scenario

        @scenario
        async def browse(user: User) -> None:
            await user.get("/"
        """,
        'await user.get("/"',
        ("never closed",),
    ),
    "a missing import": (
        """\
        import no_such_module_anywhere
        from loadgen import User, scenario

        @scenario
        async def browse(user: User) -> None:
            await user.get("/")
        """,
        "import no_such_module_anywhere",
        ("no_such_module_anywhere", "install"),
    ),
    "an error while it is read": (
        """\
        from loadgen import User, scenario

        PRICES = {"apple": 1}
        PEAR = PRICES["pear"]

        @scenario
        async def browse(user: User) -> None:
            await user.get("/")
        """,
        'PEAR = PRICES["pear"]',
        ("KeyError", "pear"),
    ),
    "an exit while it is read": (
        """\
        import sys
        from loadgen import User, scenario

        sys.exit("not today")

        @scenario
        async def browse(user: User) -> None:
            await user.get("/")
        """,
        'sys.exit("not today")',
        (),
    ),
    "def without async": (
        """\
        from loadgen import User, scenario

        @scenario
        def browse(user: User) -> None:
            user.get("/")
        """,
        "@scenario",
        ('browse is a "def"', "async def browse(user: User)"),
    ),
    "no user": (
        """\
        from loadgen import User, scenario

        @scenario
        async def browse() -> None:
            pass
        """,
        "@scenario",
        ("browse has no parameter", "async def browse(user: User)"),
    ),
    "an argument that a decorator does not know": (
        """\
        from loadgen import User, scenario

        @scenario(wieght=3)
        async def browse(user: User) -> None:
            await user.get("/")
        """,
        "@scenario(wieght=3)",
        ("wieght", "weight"),
    ),
    "a session that never yields": (
        """\
        from loadgen import User, scenario, session

        @session
        async def signed_in(user: User) -> None:
            await user.post("/login")

        @scenario
        async def browse(user: User) -> None:
            await user.get("/")
        """,
        "@session",
        ("signed_in does not yield",),
    ),
}


@pytest.mark.parametrize(("source", "line", "words"), UNREADABLE.values(), ids=UNREADABLE)
def test_what_is_wrong_with_the_script_is_told_at_its_line(
    scripts: Scripts, target: Target, source: str, line: str, words: tuple[str, ...]
) -> None:
    told = scripts(source, "--url", target.url, *CLOSED)
    # A decorator's complaint names the function, and shows how its line should be.
    told.assert_points_at(line, quoted=not line.startswith("@"))
    told.assert_says(*words)
    assert told.exit_code == 2, told.result
    assert target.requests()["total"] == 0, "there was no load"


def test_a_script_without_a_scenario_is_told_what_one_is(scripts: Scripts) -> None:
    told = scripts("from loadgen import Plan\n\nplan = Plan(users=3)\n", *CLOSED)
    told.assert_says("scenario.py", "@scenario")
    told.assert_is_no_traceback()
    assert told.exit_code == 2, told.result


def test_a_script_that_is_not_there_is_told(loadgen: Loadgen) -> None:
    result = loadgen("run", "nowhere.py", *CLOSED)
    assert result.exit_code == 2, result
    assert "nowhere.py" in result.stderr and "Traceback" not in result.stderr, result


# Scenarios that do not let go


def test_a_scenario_that_never_awaits_ends_with_the_run_and_is_told(scripts: Scripts) -> None:
    told = scripts(
        """\
        from loadgen import User, scenario

        @scenario
        async def idle(user: User) -> None:
            user.data["n"] = user.data.get("n", 0) + 1
        """,
        *CLOSED,
    )
    told.assert_says("idle", "await")
    told.assert_is_no_traceback()
    arrivals = told.assert_iterations_balance()
    assert arrivals["completed"] > 0, told.result
    assert told.summary["requests"]["total"] == 0, told.result
    assert told.exit_code == 0, told.result


BLOCKING = {
    "time.sleep": ("time.sleep(0.06)", "await user.pause"),
    "a blocking client": ('urllib.request.urlopen(os.environ["SLOW"]).read()', "await user.get"),
}


@pytest.mark.parametrize(("line", "remedy"), BLOCKING.values(), ids=BLOCKING)
def test_a_scenario_that_blocks_is_named_with_the_remedy(
    scripts: Scripts, target: Target, monkeypatch: pytest.MonkeyPatch, line: str, remedy: str
) -> None:
    monkeypatch.setenv("SLOW", f"{target.url}/delay/60")
    told = scripts(
        f"""\
        import os
        import time
        import urllib.request
        from loadgen import User, scenario

        @scenario
        async def blocking(user: User) -> None:
            await user.get("/health")
            {line}
        """,
        # Each round of calls lasts for all that came in during the one before: the last one goes far past the
        # end of the load, and what was due meanwhile is more than enough for a verdict.
        *("--url", target.url, "--tps", "100", "--duration", "1s", *ONE_WORKER),
    )
    told.assert_points_at(line, quoted=False)
    told.assert_says(remedy)
    told.assert_iterations_balance()
    # Everybody waited behind it, which is no property of the target.
    assert told.summary["generator"]["verdict"] == "client-limited", told.result
    assert (told.summary["verdict"], told.exit_code) == ("invalid", 3), told.result


def test_a_busy_scenario_is_the_cause_in_the_verdict(scripts: Scripts, target: Target) -> None:
    told = scripts(
        """\
        import time
        from loadgen import User, scenario

        @scenario
        async def busy(user: User) -> None:
            await user.get("/health")
            until = time.thread_time() + 0.04
            while time.thread_time() < until:
                pass
        """,
        *("--url", target.url, "--tps", "60", "--duration", "1500ms", *ONE_WORKER),
    )
    told.assert_iterations_balance()
    generator = told.summary["generator"]
    assert generator["verdict"] == "client-limited", told.result
    assert any("scenario code took" in reason for reason in generator["reasons"]), generator
    told.assert_says("scenario code took")
    assert told.exit_code == 3, told.result
    service = told.summary["latency"]["service"]
    assert service["p50_ms"] != "inf"


def test_tasks_that_are_left_behind_are_told(scripts: Scripts, target: Target) -> None:
    told = scripts(
        """\
        import asyncio
        from loadgen import User, scenario

        kept = []

        @scenario
        async def leaking(user: User) -> None:
            await user.get("/health")
            kept.append(asyncio.create_task(asyncio.sleep(3600)))
        """,
        *("--url", target.url, "--tps", "100", "--duration", "1s", *ONE_WORKER),
    )
    told.assert_iterations_balance()
    told.assert_says("leaking", "task")
    told.assert_is_no_traceback()
    assert "task_leak" in [event["event"] for event in told.events], told.result
    assert told.exit_code == 0, told.result


def test_a_scenario_that_catches_its_cancellation_ends_after_the_drain(
    scripts: Scripts, target: Target
) -> None:
    told = scripts(
        """\
        import asyncio
        from loadgen import User, scenario

        @scenario
        async def stubborn(user: User) -> None:
            while True:
                try:
                    await user.get("/delay/3600000")
                    await asyncio.sleep(3600)
                except asyncio.CancelledError:
                    pass
        """,
        *("--url", target.url, "--users", "3", "--duration", "300ms", "--workers", "1", "--drain", "300ms"),
    )
    told.assert_is_no_traceback()
    arrivals = told.assert_iterations_balance()
    assert (arrivals["sent"], arrivals["unfinished"]) == (3, 3), told.result
    told.assert_says("CancelledError")
    assert told.exit_code == 0, told.result


def test_a_scenario_that_waits_for_ever_elsewhere_ends_after_the_drain(
    scripts: Scripts, target: Target
) -> None:
    """Not in a request of loadgen's own: in asyncio, where only a cancellation reaches it."""
    told = scripts(
        """\
        import asyncio
        from loadgen import User, scenario

        @scenario
        async def waiting(user: User) -> None:
            await user.get("/health")
            await asyncio.Event().wait()
        """,
        *("--url", target.url, "--users", "3", "--duration", "300ms", "--workers", "1", "--drain", "300ms"),
    )
    told.assert_is_no_traceback()
    arrivals = told.assert_iterations_balance()
    assert (arrivals["sent"], arrivals["unfinished"]) == (3, 3), told.result
    assert told.summary["requests"]["ok"] == 3, told.result


# Errors in the script's own code


SOMETIMES_FAILING = """\
from loadgen import User, scenario

@scenario
async def browse(user: User) -> None:
    await user.get("/health")
    if user.iteration % 3 == 0:
        listing = {}
        name = listing["name"]
    elif user.iteration % 3 == 1:
        int("twelve")
"""


def test_errors_of_iterations_are_grouped_by_their_line(scripts: Scripts, target: Target) -> None:
    told = scripts(SOMETIMES_FAILING, "--url", target.url, *OPEN)
    told.assert_points_at('name = listing["name"]')
    told.assert_points_at('int("twelve")')
    told.assert_says("KeyError: 'name'", "ValueError: invalid literal", "browse")
    arrivals = told.assert_iterations_balance()
    assert 0 < arrivals["failed"] < arrivals["sent"] == 20, told.result
    assert told.summary["requests"]["ok"] == 20, "the requests themselves were well"
    # Once for each line, however often it came.
    assert told.result.stdout.count("KeyError: 'name'") == 1, told.result
    groups = told.summary["script"]["errors"]
    assert {group["error"].partition(":")[0] for group in groups} == {"KeyError", "ValueError"}
    assert sum(group["count"] for group in groups) == arrivals["failed"]
    assert sum(event["event"] == "script_error" for event in told.events) == 2, told.events
    assert told.exit_code == 0, "some of it worked, and nobody asked for less"


def test_too_many_errors_stop_the_run(scripts: Scripts, target: Target) -> None:
    told = scripts(
        SOMETIMES_FAILING,
        *("--url", target.url, "--tps", "50", "--duration", "60s", "--max-errors", "10", *ONE_WORKER),
    )
    told.assert_points_at('name = listing["name"]')
    arrivals = told.assert_iterations_balance()
    assert 10 <= arrivals["failed"] < 200, told.result
    assert told.exit_code == 5, told.result


def test_an_error_within_a_task_group_is_told_at_the_inner_line(scripts: Scripts, target: Target) -> None:
    told = scripts(
        """\
        import asyncio
        from loadgen import User, scenario

        async def part(user: User) -> None:
            await user.get("/health")
            raise LookupError("inner")

        @scenario
        async def parallel(user: User) -> None:
            async with asyncio.TaskGroup() as group:
                group.create_task(part(user))
        """,
        *("--url", target.url, *OPEN),
    )
    told.assert_points_at('raise LookupError("inner")')
    assert told.assert_iterations_balance()["failed"] == 20, told.result
    assert told.exit_code == 5, "nothing in it worked"


def test_an_error_in_a_library_is_told_at_the_users_line(scripts: Scripts, target: Target) -> None:
    """Two levels down, in json: the line that matters is the last one of the user's own."""
    told = scripts(
        """\
        import json
        from loadgen import User, scenario

        def parse(text: str) -> object:
            return json.loads(text)

        @scenario
        async def browse(user: User) -> None:
            await user.get("/health")
            parse("{")
        """,
        *("--url", target.url, *OPEN),
    )
    told.assert_points_at("return json.loads(text)")
    told.assert_says("JSONDecodeError")
    assert told.exit_code == 5, told.result


SESSION = """\
from loadgen import User, scenario, session

@session
async def signed_in(user: User):
    {before}
    yield
    {after}

@scenario
async def browse(user: User) -> None:
    await user.get("/health")
"""


def test_an_error_before_the_yield_of_a_session_stops_the_run(scripts: Scripts, target: Target) -> None:
    """No user can begin, so there is nothing to wait for."""
    source = SESSION.format(before='raise LookupError("no account")', after="pass")
    told = scripts(source, "--url", target.url, "--users", "2", "--duration", "60s", *ONE_WORKER)
    told.assert_points_at('raise LookupError("no account")')
    told.assert_says("signed_in")
    assert told.summary["requests"]["total"] == 0, told.result
    assert told.exit_code == 5, told.result


def test_an_error_after_the_yield_of_a_session_is_told(scripts: Scripts, target: Target) -> None:
    source = SESSION.format(before="pass", after='raise LookupError("no way out")')
    told = scripts(source, "--url", target.url, *CLOSED)
    told.assert_points_at('raise LookupError("no way out")')
    arrivals = told.assert_iterations_balance()
    assert arrivals["completed"] == arrivals["sent"] > 0, told.result
    assert told.exit_code == 0, told.result


def test_an_end_of_a_session_that_never_comes_is_not_waited_for(scripts: Scripts, target: Target) -> None:
    source = "import asyncio\n" + SESSION.format(before="pass", after="await asyncio.sleep(3600)")
    options = ("--users", "2", "--duration", "300ms", "--workers", "1", "--drain", "300ms")
    told = scripts(source, "--url", target.url, *options)
    told.assert_is_no_traceback()
    told.assert_says("signed_in")
    arrivals = told.assert_iterations_balance()
    assert arrivals["completed"] > 0 == arrivals["unfinished"], told.result


def test_an_error_in_once_stops_the_run_before_the_load(scripts: Scripts, target: Target) -> None:
    told = scripts(
        """\
        from loadgen import User, once, scenario

        @once
        async def prepare() -> None:
            raise LookupError("nothing to prepare")

        @scenario
        async def browse(user: User) -> None:
            await user.get("/health")
        """,
        *("--url", target.url, "--users", "2", "--duration", "60s", *ONE_WORKER),
    )
    told.assert_points_at('raise LookupError("nothing to prepare")')
    told.assert_says("prepare")
    assert target.requests()["total"] == 0
    assert told.exit_code == 5, told.result


@pytest.mark.parametrize("leave", ["sys.exit(3)", "raise KeyboardInterrupt"])
def test_a_scenario_that_leaves_the_program_stops_the_run(
    scripts: Scripts, target: Target, leave: str
) -> None:
    told = scripts(
        f"""\
        import sys
        from loadgen import User, scenario

        @scenario
        async def leaving(user: User) -> None:
            await user.get("/health")
            {leave}
        """,
        *("--url", target.url, "--users", "2", "--duration", "60s", *ONE_WORKER),
    )
    told.assert_points_at(leave)
    assert told.exit_code == 5, told.result


# Mistakes in a request


REQUESTS = {
    "a keyword that get does not know": (
        'await user.get("/health", jsn={"a": 1})',
        ("TypeError", "jsn"),
    ),
    "a scheme that is none": ('await user.get("ftp://127.0.0.1/file")', ("ftp", "http")),
    "a port that is none": ('await user.get("http://127.0.0.1:99999/")', ("99999",)),
    "a URL that is not text": ("await user.get(12)", ("str",)),
    "a body that JSON cannot hold": ('await user.post("/echo", json={1, 2, object()})', ("json",)),
    "a header with a line end": ('await user.get("/health", headers={"x": "a\\r\\nb: c"})', ("header",)),
}


@pytest.mark.parametrize(("line", "words"), REQUESTS.values(), ids=REQUESTS)
def test_a_request_that_cannot_be_made_fails_its_iteration(
    scripts: Scripts, target: Target, line: str, words: tuple[str, ...]
) -> None:
    told = scripts(
        f"""\
        from loadgen import User, scenario

        @scenario
        async def browse(user: User) -> None:
            {line}
        """,
        *("--url", target.url, *OPEN),
    )
    told.assert_points_at(line)
    for word in words:
        assert word.lower() in told.text.lower(), told.result
    arrivals = told.assert_iterations_balance()
    assert arrivals["failed"] == arrivals["sent"] == 20, told.result
    assert target.requests()["total"] == 0, "nothing was sent"
    assert told.exit_code == 5, told.result


def test_a_forgotten_await_is_told_before_the_load(scripts: Scripts, target: Target) -> None:
    """Where it can be seen in the script: what nobody awaits and nobody keeps is never sent."""
    told = scripts(
        """\
        from loadgen import User, scenario

        @scenario
        async def browse(user: User) -> None:
            await user.get("/health")
            user.get("/forgotten")
        """,
        *("--url", target.url, *OPEN),
    )
    told.assert_points_at('user.get("/forgotten")', quoted=False)
    told.assert_says("await user.get")
    assert told.exit_code == 2, told.result
    assert target.requests()["total"] == 0


def test_a_request_that_is_kept_and_never_awaited_is_in_the_books(scripts: Scripts, target: Target) -> None:
    """Nobody can see it in the script. Sent or not, our count and the target's agree."""
    told = scripts(
        """\
        from loadgen import User, scenario

        @scenario
        async def browse(user: User) -> None:
            pending = user.get("/echo")
            await user.get("/health")
            del pending
        """,
        *("--url", target.url, *OPEN),
    )
    told.assert_is_no_traceback()
    told.assert_iterations_balance()
    labels = {label["label"]: label["requests"]["total"] for label in told.summary["labels"]}
    paths = target.requests()["paths"]
    assert labels.get("GET /echo", 0) == paths.get("/echo", 0), told.result
    assert labels["GET /health"] == paths["/health"] == 20, told.result


def test_a_target_that_is_not_there_ends_the_run(scripts: Scripts, free_port: int) -> None:
    told = scripts(
        """\
        from loadgen import User, scenario

        @scenario
        async def browse(user: User) -> None:
            response = await user.get("/health")
            user.expect(response.ok, "there")
        """,
        *("--url", f"http://127.0.0.1:{free_port}", *OPEN),
    )
    told.assert_is_no_traceback()
    told.assert_says("connection refused")
    assert told.exit_code == 4, told.result


# Processes


def test_what_a_script_prints_is_shown_and_harms_nothing(scripts: Scripts, target: Target) -> None:
    told = scripts(
        """\
        import os
        from loadgen import User, scenario

        print("printed while it is read")

        @scenario
        async def talking(user: User) -> None:
            await user.get("/health")
            print(f"done: user {user.id}", "ready", "event {not json", sep="\\n")
            print("without an end", end="")
            os.write(1, b"past Python\\n")
        """,
        *("--url", target.url, *CLOSED),
    )
    told.assert_says("printed while it is read", "done: user 0", "past Python")
    told.assert_is_no_traceback()
    arrivals = told.assert_iterations_balance()
    assert arrivals["completed"] == arrivals["sent"] > 0, told.result
    assert told.exit_code == 0, told.result


def test_a_script_that_reads_its_input_finds_none(scripts: Scripts, target: Target) -> None:
    """As a forgotten breakpoint() does. What the worker is told comes some other way."""
    told = scripts(
        """\
        import sys
        from loadgen import User, scenario

        @scenario
        async def reading(user: User) -> None:
            await user.get("/health")
            user.expect(sys.stdin.read() == "", "nothing to read")
        """,
        *("--url", target.url, *CLOSED),
    )
    told.assert_is_no_traceback()
    arrivals = told.assert_iterations_balance()
    assert arrivals["completed"] == arrivals["sent"] > 0, told.result
    (check,) = told.summary["checks"]
    assert (check["name"], check["failed"]) == ("nothing to read", 0)
    assert check["passed"] == arrivals["sent"]


def test_a_scenario_that_kills_its_worker_is_told(scripts: Scripts, target: Target) -> None:
    told = scripts(
        """\
        import os
        from loadgen import User, scenario

        @scenario
        async def fatal(user: User) -> None:
            await user.get("/health")
            os._exit(9)
        """,
        *("--url", target.url, "--users", "1", "--duration", "60s", *ONE_WORKER),
    )
    told.assert_is_no_traceback()
    told.assert_says("was lost")
    assert told.summary["requests"]["ok"] == 1, "what was recorded is kept"
    assert (told.summary["verdict"], told.exit_code) == ("invalid", 3), told.result


@pytest.mark.parametrize("load", [("--tps", "300"), ("--users", "4")], ids=["open", "closed"])
def test_a_worker_killed_in_a_scripted_run_loses_nothing_it_recorded(
    scripts: Scripts, target: Target, load: tuple[str, ...]
) -> None:
    running = scripts.start(
        """\
        from loadgen import User, scenario

        @scenario
        async def browse(user: User) -> None:
            await user.get("/delay/10")
        """,
        *("--url", target.url, *load, "--duration", "700ms", "--workers", "2", "--connections", "8"),
    )
    workers = running.wait_for_workers(2)
    target.wait_for_requests(40)
    os.kill(workers[1], signal.SIGKILL)
    told = scripts.end(running)
    told.assert_is_no_traceback()
    told.assert_says(f"pid {workers[1]}", "SIGKILL")
    told.assert_iterations_balance()
    assert (told.summary["verdict"], told.exit_code) == ("invalid", 3), told.result
    counted = target.requests()["paths"]["/delay/10"]
    assert 40 - 8 <= told.summary["requests"]["ok"] <= counted, told.result
    assert abs(told.summary["requests"]["total"] - counted) <= 8, told.result


# Ctrl-C


LEAVES_A_MARK = """\
from pathlib import Path
from loadgen import User, scenario, session

HERE = Path(__file__).parent

@session
async def signed_in(user: User):
    (HERE / f"in-{{user.id}}").touch()
    yield
    await user.post("/echo", content=b"out")
    (HERE / f"out-{{user.id}}").touch()

@scenario
async def wait(user: User) -> None:
    await user.get("{path}")
"""


def users_with(folder: Path, mark: str) -> set[str]:
    return {path.name.partition("-")[2] for path in folder.glob(f"{mark}-*")}


def test_an_interrupt_lets_iterations_end_and_tears_sessions_down(scripts: Scripts, target: Target) -> None:
    running = scripts.start(
        LEAVES_A_MARK.format(path="/delay/100"),
        *("--url", target.url, "--users", "6", "--duration", "60s", "--workers", "2", "--drain", "10s"),
    )
    running.wait_for_workers(2)
    target.wait_for_requests(12)
    running.interrupt()
    told = scripts.end(running)
    told.assert_is_no_traceback()
    arrivals = told.assert_iterations_balance()
    assert arrivals["unfinished"] == 0, "what was under way was waited for"
    assert users_with(running.folder, "in") == users_with(running.folder, "out") != set()
    assert len(users_with(running.folder, "out")) == 6
    assert target.requests()["paths"]["/echo"] == 6, "their last requests were sent"
    assert told.exit_code == 130, told.result


def test_a_second_interrupt_stops_at_once_and_still_tears_sessions_down(
    scripts: Scripts, target: Target
) -> None:
    running = scripts.start(
        LEAVES_A_MARK.format(path="/delay/3600000"),
        *("--url", target.url, "--users", "6", "--duration", "60s", "--workers", "2", "--drain", "60s"),
    )
    running.wait_for_workers(2)
    target.wait_for_requests(6)
    running.interrupt()
    running.wait_for_line("once more stops at once", stream="stderr")
    running.interrupt()
    told = scripts.end(running)
    told.assert_is_no_traceback()
    arrivals = told.assert_iterations_balance()
    assert arrivals["unfinished"] == 6, told.result
    assert users_with(running.folder, "in") == users_with(running.folder, "out") != set()
    assert told.exit_code == 130, told.result


def test_interrupts_end_a_scenario_that_never_lets_go(scripts: Scripts, target: Target) -> None:
    """It neither awaits nor ends: the worker cannot be asked, so it is ended."""
    running = scripts.start(
        """\
        from loadgen import User, scenario

        @scenario
        async def stuck(user: User) -> None:
            await user.get("/health")
            while True:
                pass
        """,
        *("--url", target.url, "--users", "1", "--duration", "60s", *ONE_WORKER),
    )
    running.wait_for_workers(1)
    target.wait_for_requests(1)
    running.interrupt()
    running.wait_for_line("once more stops at once", stream="stderr")
    running.interrupt()
    told = scripts.end(running)
    told.assert_is_no_traceback()
    told.assert_says("scenario.py")
    assert told.exit_code == 130, told.result
