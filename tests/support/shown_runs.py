"""A run folder of a run that never was: as long, and with as many labels, as a test wants."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from loadgen.machine import Finding
from loadgen.result import LabelResult, Result
from loadgen.timeline import Moment, Spread
from tests.unit.results import make_result

STARTED_AT = "2026-01-02T03:04:05.678+00:00"


def make_moment(second: int, *, sent: int = 100, **change: Any) -> Moment:
    """A second in which so many were sent and answered, in 1 to 100 ms, not twice the same."""
    ms = 1 + second % 7
    spread = Spread(
        count=sent, mean=ms * 2.345, p50=ms * 1.0, p90=ms * 3.21, p95=ms * 4.32, p99=ms * 9.87, max=ms * 12.3
    )
    moment = Moment(
        at_s=second + 0.001,
        length_s=1.0,
        target_rate_per_s=float(sent),
        counts={"scheduled": sent, "sent": sent, "ok": sent - 1, "failed": 1, "bytes_sent": 81 * sent},
        now={"connections": 10 + second % 5, "in_flight": second % 3},
        response=spread,
        service=spread,
        lateness=Spread(count=sent, mean=0.002, p50=0.0001 * ms, p90=0.002, p99=0.01 * ms, max=0.2),
        heat=[(80 + step, (second * 7 + step * step) % 90) for step in range(16)],
        status={"200": sent - 1},
        errors={"timeout": 1},
        busy=0.1 + second % 10 / 100,
        cpu_s=0.1,
    )
    return msgspec.structs.replace(moment, **change)


def make_labels(names: Sequence[str]) -> list[LabelResult]:
    """Each a little slower than the one before."""
    model = make_result().labels[0]
    rows = []
    for number, name in enumerate(names, 1):
        response = msgspec.structs.replace(model.latency.response, p99_ms=number * 1.234567)
        rows.append(
            msgspec.structs.replace(
                model,
                label=name,
                requests=msgspec.structs.replace(model.requests, total=number * 17),
                latency=msgspec.structs.replace(model.latency, response=response),
            )
        )
    return rows


def write_run(
    folder: Path,
    moments: Sequence[Moment],
    *,
    result: Result | None = None,
    events: Sequence[tuple[float, str, str]] = (),
    distribution: Mapping[str, Any] | None = None,
) -> Path:
    """The files that a report is made of."""
    folder.mkdir(parents=True, exist_ok=True)
    shown = result or make_result()
    (folder / "plan.json").write_bytes(shown.plan.redacted().encode())
    (folder / "timeline.jsonl").write_bytes(b"".join(msgspec.json.encode(one) + b"\n" for one in moments))
    told = [
        {"at_s": at_s, "time": STARTED_AT, "event": event, "text": text}
        for at_s, event, text in [(0.0, "start", "500/s for 10s"), *events]
    ]
    (folder / "events.jsonl").write_text("".join(json.dumps(one) + "\n" for one in told))
    if result is not None:
        (folder / "summary.json").write_bytes(result.to_json())
    (folder / "distribution.json").write_text(json.dumps(distribution or {}))
    machine = [Finding(name="processors", status="ok", value="2 usable of 2")]
    (folder / "machine.json").write_bytes(msgspec.json.encode(machine))
    return folder
