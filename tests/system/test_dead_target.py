"""A target that dies under a script, and a plan that says how long to wait for it."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import TYPE_CHECKING

from loadgen.errors import ExitCode
from tests.support.scripts import Scripts

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.command import Loadgen

SCRIPT = """\
from loadgen import User, scenario

@scenario
async def ask(user: User) -> None:
    await user.get("/", timeout=0.2)
"""
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


def serve(listener: socket.socket, answers: int) -> None:
    """Answers so many requests on its first connection that asks; then nobody hears of it again."""
    with contextlib.ExitStack() as held, contextlib.suppress(OSError):
        while True:
            connection = held.enter_context(listener.accept()[0])
            while answers and connection.recv(65536):
                connection.sendall(ANSWER)
                answers -= 1


@contextlib.contextmanager
def dying_server(answers: int) -> Iterator[str]:
    """Its URL."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener, answers))
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            listener.shutdown(socket.SHUT_RDWR)  # wakes accept(), which close() does not
            thread.join()


def test_a_run_does_not_wait_for_the_dead(loadgen: Loadgen, tmp_path: Path) -> None:
    with dying_server(answers=20) as url:
        load = ("--tps", "20", "--duration", "50s", "--workers", "1", "--dead-after", "2s")
        told = Scripts(loadgen, tmp_path)(SCRIPT, "--url", url, *load)
    assert told.exit_code == ExitCode.UNREACHABLE, told.result
    told.assert_says("no request has been answered for 2s: stopping")
    told.assert_iterations_balance()
    assert told.summary["requests"]["ok"] == 20, told.result
    assert told.summary["duration_s"] < 40, told.result
