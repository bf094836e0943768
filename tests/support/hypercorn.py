"""A real Hypercorn as the target: HTTP/1.1 and HTTP/2, in clear text (h2c) or over TLS, or HTTP/3 by aioquic.

This file is also the application that it serves, which writes each request down before it answers.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.support.server_process import Access, ServerProcess

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.support.certificates import Leaf

ROOT = Path(__file__).parents[2]
LOG = "HYPERCORN_TEST_LOG"


class Hypercorn(ServerProcess):
    """Answers "hello world", but `/events/N` with so many events, and `/digest` with that of the body."""

    def __init__(self, folder: Path, *, tls: Leaf | None = None, http3: bool = False) -> None:
        self._access_log = folder / "access.log"
        folder.mkdir(parents=True, exist_ok=True)
        self._access_log.touch()
        files = ("--certfile", str(tls.certificate), "--keyfile", str(tls.key)) if tls else ()
        binds = ["--bind", "127.0.0.1:0", *(["--quic-bind", "127.0.0.1:0"] if http3 else [])]
        super().__init__(
            [sys.executable, "-m", "hypercorn", *binds, *files, f"{__name__}:application"],
            folder,
            environment={"PYTHONPATH": str(ROOT), LOG: str(self._access_log)},
        )
        self.url = self.await_line(rf"Running on (https?://\S+) {r'.QUIC. ' if http3 else ''}\(CTRL")[1]

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
    digest, has_more = sha256(), True
    while has_more:
        message = await receive()
        digest.update(message.get("body", b""))
        has_more = message.get("more_body", False)
    line = {
        "connection": scope["client"][1],
        "method": scope["method"],
        "uri": scope["path"],
        "status": 200,
        "protocol": {"1.1": "HTTP/1.1", "2": "HTTP/2.0", "3": "HTTP/3.0"}[scope["http_version"]],
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
    body = digest.hexdigest().encode() if scope["path"] == "/digest" else b"hello world\n"
    headers = [(b"content-length", b"%d" % len(body)), (b"content-type", b"text/plain")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
