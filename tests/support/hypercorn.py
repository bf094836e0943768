"""A real Hypercorn as the target: HTTP/1.1 and HTTP/2, in clear text (h2c) or over TLS.

This file is also the application that it serves, which writes each request down before it answers.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.support.server_process import Access, ServerProcess

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.support.certificates import Leaf

ROOT = Path(__file__).parents[2]
LOG = "HYPERCORN_TEST_LOG"


class Hypercorn(ServerProcess):
    """Answers "hello world" to everything but `/events/N`, which sends so many events."""

    def __init__(self, folder: Path, *, tls: Leaf | None = None) -> None:
        self._access_log = folder / "access.log"
        folder.mkdir(parents=True, exist_ok=True)
        self._access_log.touch()
        files = ("--certfile", str(tls.certificate), "--keyfile", str(tls.key)) if tls else ()
        super().__init__(
            [sys.executable, "-m", "hypercorn", "--bind", "127.0.0.1:0", *files, f"{__name__}:application"],
            folder,
            environment={"PYTHONPATH": str(ROOT), LOG: str(self._access_log)},
        )
        self.url = self.await_line(r"Running on (https?://\S+)")[1]

    def access_log(self) -> list[Access]:
        """Every request it answered. Stops it first, like all of them."""
        self.stop()
        return [Access(**json.loads(line)) for line in self._access_log.read_text().splitlines()]


async def application(
    scope: dict[str, Any],
    receive: Callable[[], Awaitable[dict[str, Any]]],
    send: Callable[[dict[str, Any]], Awaitable[None]],
) -> None:
    """ASGI: one line in the log, one answer."""
    if scope["type"] == "lifespan":
        while (await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})
        return
    while (await receive()).get("more_body"):
        pass
    line = {
        "connection": scope["client"][1],
        "method": scope["method"],
        "uri": scope["path"],
        "status": 200,
        "protocol": {"1.1": "HTTP/1.1", "2": "HTTP/2.0"}[scope["http_version"]],
    }
    with Path(os.environ[LOG]).open("a") as log:  # noqa: ASYNC230 - nothing else is to happen meanwhile
        log.write(json.dumps(line) + "\n")
    if scope["path"].startswith("/events/"):
        kind = [(b"content-type", b"text/event-stream")]
        await send({"type": "http.response.start", "status": 200, "headers": kind})
        for number in range(1, int(scope["path"].rpartition("/")[2]) + 1):
            await send({"type": "http.response.body", "body": b"data: %d\n\n" % number, "more_body": True})
            await asyncio.sleep(0.001)
        await send({"type": "http.response.body"})
        return
    headers = [(b"content-length", b"12"), (b"content-type", b"text/plain")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"hello world\n"})
