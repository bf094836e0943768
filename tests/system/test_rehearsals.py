"""One iteration on the real engine, without a load: `loadgen run --debug`, and suites of users' own."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from loadgen import scenario
from loadgen._engine import Engine
from loadgen.testing import run_once

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from loadgen import User
    from tests.conftest import Target
    from tests.support.command import Loadgen
    from tests.support.scripts import Scripts

FOLDER = Path(__file__).parents[2] / "scenarios"


class TestDebug:
    """Everything of one iteration, on stdout; nothing is written, nothing is loaded."""

    def test_every_request_is_shown_in_order(self, loadgen: Loadgen, target: Target) -> None:
        result = loadgen("run", str(FOLDER / "login.py"), "--debug", "--url", target.url)
        assert result.exit_code == 0, result
        lines = result.stdout.splitlines()
        assert lines[0] == f"read: one user, one iteration, against {target.url}"
        requests = [line.strip() for line in lines if line.startswith("  ") and line[2] not in " c"]
        assert requests == [
            f"POST {target.url}/echo",
            f"GET {target.url}/headers",
            f"POST {target.url}/echo",
        ]
        assert '    > {"token":"token of 0"}' in lines
        assert "    > Authorization: (redacted)" in lines
        assert "  check passed: it is my own page" in lines
        assert lines[-1] == "3 requests, 1 check passed"
        assert target.requests()["total"] == 3
        assert not list(result.folder.iterdir()), "it left something behind"

    def test_flags_of_requests_hold(self, scripts: Scripts, target: Target) -> None:
        told = scripts.end(
            scripts.start(
                """\
                from loadgen import Plan, User, scenario

                @scenario
                async def visit(user: User) -> None:
                    page = await user.get("/headers", params={"size": user.arguments["size"]})
                    user.expect("X-Test: 7" in page.text, "the header came")

                plan = Plan(arguments={"size": "small"})
                """,
                *("--debug", "--url", target.url, "-H", "X-Test: 7", "--set", "size=large"),
            )
        )
        assert told.exit_code == 0, told.result
        told.assert_says(f"GET {target.url}/headers?size=large", "check passed: the header came")

    def test_each_attempt_of_a_retry_is_shown(self, scripts: Scripts, target: Target) -> None:
        told = scripts(
            """\
            from loadgen import Retry, User, scenario

            @scenario
            async def visit(user: User) -> None:
                await user.get("/status/503", retry=Retry(attempts=3, backoff="1ms"))
            """,
            *("--debug", "--url", target.url),
        )
        assert told.exit_code == 0, told.result
        assert told.result.stdout.count("< 503 in ") == 3
        assert target.requests()["paths"] == {"/status/503": 3}

    def test_an_error_is_shown_at_its_line(self, scripts: Scripts, target: Target) -> None:
        told = scripts(
            """\
            from loadgen import User, scenario

            @scenario
            async def visit(user: User) -> None:
                page = await user.post("/echo", json={"a": 1})
                page.json()["id"]
            """,
            *("--debug", "--url", target.url),
        )
        assert told.exit_code == 5, told.result
        told.assert_says("KeyError: 'id'")
        told.assert_points_at('page.json()["id"]')

    def test_a_target_that_is_not_there_has_its_exit_code(self, scripts: Scripts, free_port: int) -> None:
        told = scripts(
            """\
            from loadgen import User, scenario

            @scenario
            async def visit(user: User) -> None:
                await user.get("/")
            """,
            *("--debug", "--url", f"http://127.0.0.1:{free_port}"),
        )
        assert told.exit_code == 4, told.result
        told.assert_is_no_traceback()


SHOP = """\
from collections.abc import AsyncIterator

from loadgen import Plan, User, csv_rows, scenario, session

words = csv_rows("words.csv")


@session
async def logged_in(user: User) -> AsyncIterator[None]:
    answer = await user.post("/echo", json={"token": "t"}, name="login")
    user.data["token"] = answer.json()["token"]
    yield
    await user.post("/echo", json={}, name="logout")


@scenario
async def search(user: User) -> None:
    page = await user.get("/", params={"q": words.row(user)["word"], "size": user.arguments["size"]})
    user.expect(page.ok, "page ok")
    user.expect(user.data.get("colour") == "red", "colour is red")


@scenario
async def broken(user: User) -> None:
    await user.get("/status/404")
    user.data["nothing"]


plan = Plan(arguments={"size": "small", "sort": "up"}, users=5)
"""
SUITE = """\
import pytest
from loadgen.testing import run_once, server
from shop import broken, search


@pytest.fixture(scope="module")
def url():
    with server() as target:
        yield target.url


def test_search(url):
    outcome = run_once(search, url, arguments={"size": "large"}, data={"colour": "red"})
    assert outcome.passed
    assert [(request.method, request.status) for request in outcome.requests] == [
        ("POST", 200), ("GET", 200), ("POST", 200)
    ]
    assert outcome.requests[1].url == f"{url}/?q=shoes&size=large"
    assert all(0 < request.elapsed < 30 for request in outcome.requests)


def test_each_run_begins_anew(url):
    outcomes = [run_once(search, url) for _ in range(3)]
    assert [outcome.requests[1].url for outcome in outcomes] == [f"{url}/?q=shoes&size=small"] * 3
    assert [outcome.failed_checks for outcome in outcomes] == [["colour is red"]] * 3


def test_broken(url):
    with pytest.raises(KeyError, match="nothing") as caught:
        run_once(broken, url)
    (note,) = caught.value.__notes__
    assert note == f"before it: POST {url}/echo: 200; GET {url}/status/404: 404; POST {url}/echo: 200"


def test_nobody_listens(url):
    with pytest.raises(ValueError) as caught:  # the session reads JSON that never came
        run_once(search, "http://127.0.0.1:1")
    assert caught.value.__notes__ == ["before it: POST http://127.0.0.1:1/echo: connect_refused"]
"""


def test_a_suite_of_a_users_own(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(SHOP)
    (tmp_path / "test_shop.py").write_text(SUITE)
    (tmp_path / "words.csv").write_text("word\nshoes\nhats\n")
    result = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-W",
            "error",
            "-p",
            "no:cacheprovider",
            "--rootdir",
            tmp_path,
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert result.returncode == 0, textwrap.indent(result.stdout + result.stderr, "  ")
    assert "4 passed" in result.stdout


async def leave_get(user: User) -> None:
    await user.get("/delay/60000")


async def leave_stream(user: User) -> None:
    async for _ in user.stream("GET", "/events?n=1000&every=100"):
        user.counter("events")


async def leave_open(user: User) -> None:
    await user.stream("GET", "/bytes/3000000").__aenter__()


@pytest.mark.parametrize("leave", [leave_get, leave_stream, leave_open])
def test_what_is_on_its_way_at_the_end_leaves_nothing_behind(
    target: Target, leave: Callable[[User], Coroutine[Any, Any, object]]
) -> None:
    """An engine that is still there would hold its connections, and descriptors run out in a long suite."""

    @scenario
    async def hasty(user: User) -> None:
        user.data["task"] = asyncio.create_task(leave(user))
        await user.get("/health")

    def count() -> tuple[int, int]:
        gc.collect()
        engines = sum(isinstance(one, Engine) for one in gc.get_objects())
        return len(list(Path("/proc/self/fd").iterdir())), engines

    before = count()
    for _ in range(3):
        run_once(hasty, target.url)
    assert count() == before
