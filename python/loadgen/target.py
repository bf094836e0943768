"""The embedded target as a child process that cannot outlive us. `python -m loadgen.target` is that child."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from types import TracebackType
from typing import Self

from loadgen.errors import LoadgenError
from loadgen.target_feed import TargetFeed

READY = "listening on "
START_S = 20.0
STOP_S = 5.0


class EmbeddedTarget:
    """`async with EmbeddedTarget() as target: target.url`, on a free port."""

    def __init__(self, host: str = "127.0.0.1", *, feed: TargetFeed | None = None) -> None:
        self._host = host
        self._feed = feed or TargetFeed()
        self._process: asyncio.subprocess.Process | None = None
        self._life: int | None = (
            None  # our end of a pipe: when we go, however that is, the child sees its end
        )
        self.url = ""

    async def __aenter__(self) -> Self:
        theirs, self._life = os.pipe()
        try:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-P",
                "-m",
                "loadgen.target",
                str(theirs),
                self._host,
                self._feed.to_json(),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                pass_fds=[theirs],
                # A group of its own: Ctrl-C in the terminal must not take the target away while the load
                # drains.
                process_group=0,
            )
        finally:
            os.close(theirs)
        try:
            self.url = await self._ready()
        except BaseException:
            await self.__aexit__(None, None, None)
            raise
        return self

    async def _ready(self) -> str:
        assert self._process is not None and self._process.stdout is not None
        try:
            async with asyncio.timeout(START_S):
                line = (await self._process.stdout.readline()).decode().strip()
        except TimeoutError:
            line = ""
        if not line.startswith(READY):
            raise LoadgenError("the embedded target did not start")
        return line.removeprefix(READY)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._life is not None:
            os.close(self._life)
            self._life = None
        if self._process is None:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_S):
                await self._process.wait()
                return
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()


def _serve(arguments: list[str]) -> None:
    from loadgen._engine import serve_target
    from loadgen.health import raise_descriptor_limit

    parent_fd, host, feed = arguments
    raise_descriptor_limit()
    serve_target(host, 0, parent_fd=int(parent_fd), log=None, feed=feed)


if __name__ == "__main__":
    _serve(sys.argv[1:])
