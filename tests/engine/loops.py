"""The loop of a worker without a run: an engine that nobody has told to begin. What it is for, others say."""

from __future__ import annotations

import msgspec

from loadgen._engine import Engine
from loadgen.loop import LoadgenLoop

SECOND = 1_000_000_000
PLAN = {
    "schema": "loadgen/plan/1",
    "request": None,
    "label": "",
    "addresses": ["127.0.0.1:1"],
    "load": {"model": "closed", "stages": [{"duration_ns": 3600 * SECOND, "from_users": 1, "to_users": 1}]},
    "script": {"base_url": "", "scenarios": [{"name": "nobody", "weight": 1.0}], "max_users": 1},
    "connections": None,
    "workers": 1,
    "pacing": "hybrid",
    "timeout_ns": SECOND,
    "drain_ns": SECOND,
    "reactor": "auto",
}


def new_loadgen_loop() -> LoadgenLoop:
    """As `asyncio.SelectorEventLoop()` makes one of asyncio's; closing the loop is all there is to do."""
    return LoadgenLoop(Engine(msgspec.json.encode(PLAN)))
