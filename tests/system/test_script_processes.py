"""Workers of scripts as processes: what they print is seen, and they end when they should."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from tests.support.processes import children_of, wait_until, wait_until_gone
from tests.support.scripts import CLOSED, ONE_WORKER

if TYPE_CHECKING:
    from tests.conftest import Target
    from tests.support.scripts import Scripts


def test_little_that_a_script_prints_or_logs_is_shown_in_time(scripts: Scripts, target: Target) -> None:
    """While the run lasts, and what has no line end at its end: neither fills a buffer."""
    running = scripts.start(
        """\
        import logging.handlers
        import os
        import sys
        from loadgen import User, scenario

        log = logging.getLogger("shop")
        log.addHandler(logging.handlers.MemoryHandler(1000, target=logging.StreamHandler()))
        worker = os.getpid()

        @scenario
        async def talking(user: User) -> None:
            await user.get("/health")
            print("said at once")
            log.warning("logged at last")
            sys.stdout.write("said at last")
            await user.get("/delay/3600000")
        """,
        *("--url", target.url, "--users", "1", "--duration", "60s", "--drain", "100ms", *ONE_WORKER[:2]),
    )
    running.wait_for_line("said at once", stream="stderr")
    running.interrupt()
    told = scripts.end(running)
    told.assert_says("logged at last", "said at last")


def test_a_once_that_fails_beside_a_thread_of_its_own_ends_the_run(scripts: Scripts, target: Target) -> None:
    told = scripts(
        """\
        import threading
        import time
        from loadgen import User, once, scenario

        @once
        def prepare() -> None:
            threading.Thread(target=time.sleep, args=(600,)).start()
            raise LookupError("nothing to prepare")

        @scenario
        async def browse(user: User) -> None:
            await user.get("/health")
        """,
        *("--url", target.url, *CLOSED),
    )
    told.assert_points_at('raise LookupError("nothing to prepare")')
    assert told.exit_code == 5, told.result


BLOCKED = {
    "in once": ("time.sleep(600)", "pass"),
    "in an iteration": ("pass", "while True: pass"),
}


@pytest.mark.parametrize(("before", "during"), BLOCKED.values(), ids=BLOCKED)
def test_a_worker_that_blocks_does_not_outlive_its_parent(
    scripts: Scripts, target: Target, before: str, during: str
) -> None:
    running = scripts.start(
        f"""\
        import time
        from pathlib import Path
        from loadgen import User, once, scenario

        MARK = Path(__file__).with_name("there")

        @once
        def prepare() -> None:
            MARK.touch()
            {before}

        @scenario
        async def browse(user: User) -> None:
            await user.get("/health")
            {during}
        """,
        *("--url", target.url, "--users", "1", "--duration", "60s", *ONE_WORKER),
    )
    if before == "pass":
        target.wait_for_requests(1)
    else:
        wait_until((running.folder / "there").exists)
    workers = children_of(running.pid)
    os.kill(running.pid, signal.SIGKILL)
    wait_until_gone(workers)
    running.wait()


def test_the_user_of_once_is_none_of_the_load(scripts: Scripts, target: Target) -> None:
    """It keeps no row of a unique feed from the first of them."""
    told = scripts(
        """\
        from loadgen import User, once, scenario

        seen = []

        @once
        async def prepare(user: User) -> None:
            seen.append(user.id)

        @scenario
        async def browse(user: User) -> None:
            await user.get("/health")
            user.expect(seen == [-1] and user.id >= 0, "apart")
        """,
        *("--url", target.url, "--users", "2", "--iterations", "10", *ONE_WORKER),
    )
    (check,) = told.summary["checks"]
    assert (check["passed"], check["failed"]) == (10, 0), told.result
