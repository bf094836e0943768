"""Orders over the page's feed: who may give them, what they do to the run, and what is refused."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Origin

from tests.system.test_page import url_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.conftest import Target
    from tests.support.command import CommandResult, Loadgen, RunningCommand

OWN = "its own"


class Viewer:
    """One who looks, and asks."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.told: list[dict[str, Any]] = []

    async def until(self, part: str) -> Any:
        """The next feed that has this part."""
        while True:
            self.told.append(json.loads(await asyncio.wait_for(self.socket.recv(), 20)))
            if part in self.told[-1]:
                return self.told[-1][part]

    async def until_event(self, kind: str) -> dict[str, Any]:
        while True:
            for event in await self.until("events"):
                if event["event"] == kind:
                    return dict(event)

    async def order(self, text: str | bytes | None = None, **order: Any) -> str | None:
        """Why it is refused; None: it is done."""
        await self.socket.send(json.dumps(order) if text is None else text)
        why: str | None = await self.until("answer")
        return why


@asynccontextmanager
async def viewer(url: str, origin: str | None = OWN) -> AsyncIterator[Viewer]:
    parts = urlsplit(url)
    origin = f"http://{parts.netloc}" if origin == OWN else origin
    query = f"?{parts.query}" if parts.query else ""
    said = None if origin is None else Origin(origin)
    async with connect(f"ws://{parts.netloc}/feed{query}", origin=said, proxy=None, max_size=None) as socket:
        yield Viewer(socket)


def events(result: CommandResult) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (result.run_folder / "events.jsonl").read_text().splitlines()]


def start(loadgen: Loadgen, target: Target, *load: str, where: str = "127.0.0.1:0") -> RunningCommand:
    """Longer than any test waits."""
    return loadgen.start("blast", target.url, *load, "-d", "5m", "-w", "1", f"--page={where}")


def test_orders_change_the_run(loadgen: Loadgen, target: Target) -> None:
    running = start(loadgen, target, "--tps", "50")

    async def steer() -> None:
        async with viewer(url_of(running)) as one, viewer(url_of(running)) as other:
            state = await one.until("control")
            assert (state["paused"], state["rate_per_s"], state["users"]) == (False, 50, None)
            assert {"rate", "pause", "stop"} == set(state["can_change"])
            assert await one.order(do="rate", per_s=80) is None
            assert "to 80/s" in (await other.until_event("rate_changed"))["text"]
            assert await one.order(do="step", of="rate", up=True) is None
            assert await one.order(do="pause") is None
            await other.until_event("paused")
            assert "resume it first" in str(await one.order(do="rate", per_s=90))
            assert await other.order(do="resume") is None
            assert "88/s" in (await one.until_event("resumed"))["text"]
            assert await one.order(do="stop") is None
            await other.until_event("gate_shut")
            assert await other.order(do="pause") == "the load is over"

    asyncio.run(steer())
    result = running.wait()
    assert result.exit_code == 130
    kinds = [event["event"] for event in events(result)]
    assert [kind for kind in kinds if kind not in ("start", "stage", "interrupted", "gate_shut", "end")] == [
        *("rate_changed", "rate_changed", "paused", "resumed")
    ]


def test_what_is_no_order_or_cannot_be_is_refused(loadgen: Loadgen, target: Target) -> None:
    running = start(loadgen, target, "--users", "2")

    async def steer() -> None:
        async with viewer(url_of(running)) as one:
            await one.until("control")
            deep = '{"x": ' + "[" * 1000
            for text in ("", "stop", '{"do": "kill"}', '{"do": "stop", "now": true}', b"\xff\x00", deep):
                assert "this is no order" in str(await one.order(text))
            assert "no rate to change" in str(await one.order(do="rate", per_s=10))
            assert await one.order(do="users", users=0) is not None
            assert await one.order(do="users", users=10**18) is not None
        async with viewer(url_of(running)) as one:
            await one.socket.send("x" * 2000)
            with pytest.raises(ConnectionClosed):
                await one.until("nothing")
        async with viewer(url_of(running)) as one:
            state = await one.until("control")
            assert (state["paused"], state["users"]) == (False, 2)
            await one.order(do="stop")

    asyncio.run(steer())
    result = running.wait()
    assert result.exit_code == 130
    assert "Traceback" not in result.stderr, result


def test_when_the_run_is_over_there_is_nothing_to_stop(loadgen: Loadgen, target: Target) -> None:
    running = loadgen.start("blast", target.url, "--tps", "50", "-d", "2s", "-w", "1", "--page")

    async def steer() -> None:
        async with viewer(url_of(running)) as one:
            await one.until("result")
            with suppress(ConnectionClosed):  # if it hears that still
                assert await one.order(do="stop") == "the run is over"

    asyncio.run(steer())
    result = running.wait()
    assert "interrupted" not in [event["event"] for event in events(result)]
    assert "stopp" not in result.stderr, result


@pytest.mark.parametrize(
    "origin",
    [
        None,
        "null",
        "http://evil.example",
        "http://127.0.0.1",
        "http://localhost:{port}",
        "file://127.0.0.1:{port}",
    ],
)
def test_no_other_page_gives_orders(loadgen: Loadgen, target: Target, origin: str | None) -> None:
    """Another server on this machine has another port. A program that is no browser must say it, too."""
    running = start(loadgen, target, "--tps", "20")
    url = url_of(running)

    async def steer() -> None:
        async with viewer(url, origin and origin.format(port=urlsplit(url).port)) as one:
            await one.order(do="stop")

    with pytest.raises(InvalidStatus) as caught:
        asyncio.run(steer())
    assert caught.value.response.status_code == 403
    running.interrupt()
    running.wait()


def test_beyond_loopback_orders_need_the_token(loadgen: Loadgen, target: Target) -> None:
    running = start(loadgen, target, "--tps", "20", where="0.0.0.0:0")
    port, _, token = url_of(running).rpartition(":")[2].partition("/?token=")
    here = f"http://127.0.0.1:{port}/"

    async def stop(url: str) -> None:
        async with viewer(url) as one:
            await one.until("control")
            assert await one.order(do="stop") is None

    for wrong in (here, f"{here}?token=", f"{here}?token={token[:-1]}"):
        with pytest.raises(InvalidStatus) as caught:
            asyncio.run(stop(wrong))
        assert caught.value.response.status_code == 403
    assert not running.ended
    asyncio.run(stop(f"{here}?token={token}"))
    assert running.wait().exit_code == 130
