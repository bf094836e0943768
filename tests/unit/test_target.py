"""The embedded target as a child: ready when it says so, gone when we are."""

from __future__ import annotations

import asyncio
import urllib.request

import pytest

from loadgen.errors import LoadgenError
from loadgen.target import EmbeddedTarget


def test_it_serves_until_it_is_left() -> None:
    async def main() -> None:
        async with EmbeddedTarget() as target:
            with await asyncio.to_thread(urllib.request.urlopen, f"{target.url}/health", timeout=5) as answer:
                assert answer.status == 200
        with pytest.raises(OSError, match="refused"):
            await asyncio.to_thread(urllib.request.urlopen, f"{target.url}/health", timeout=5)

    asyncio.run(main())


def test_one_that_cannot_listen_is_an_error() -> None:
    async def main() -> None:
        async with EmbeddedTarget(host="192.0.2.1"):
            raise AssertionError("it cannot have started")

    with pytest.raises(LoadgenError, match="the embedded target did not start"):
        asyncio.run(main())
