"""Run folders as runs leave them, from samples that a test draws. The public package writes the log."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
import numpy as np
from hdrh.histogram import HdrHistogram
from numpy.typing import NDArray

from loadgen.result import Arrivals, LabelResult, Latencies, Requests
from loadgen.snapshot import EMPTY, summarise
from loadgen.timeline import Moment, Spread
from tests.unit.figures import Samples
from tests.unit.results import make_result

Second = NDArray[np.float64]


def write_run(
    path: Path,
    seconds: Sequence[Mapping[str, Second]],
    *,
    failed: Sequence[int] = (),
    label_every: int = 1,
    timeline: bool = True,
    **change: Any,
) -> Path:
    """A run folder in which second s of label L has the response times `seconds[s][L]`, in ns.

    `inf` never ended. `failed` requests of each second are more than these, without a latency.
    """
    labels = list(dict.fromkeys(label for second in seconds for label in second))
    everything = [np.concatenate(list(second.values())) for second in seconds]
    failures = [*failed, *[0] * (len(seconds) - len(failed))]
    ok = sum(len(values) for values in everything)
    result = make_result(
        **{
            "latency": _latencies(np.concatenate(everything)),
            "labels": [
                LabelResult(
                    label=label,
                    requests=_requests(len(values)),
                    latency=_latencies(values),
                )
                for label in labels
                for values in [np.concatenate([second.get(label, np.zeros(0)) for second in seconds])]
            ],
            "requests": _requests(ok, sum(failures)),
            "arrivals": Arrivals(
                scheduled=ok, sent=ok, completed=ok, failed=0, dropped=0, cancelled=0, unfinished=0
            ),
            "duration_s": float(len(seconds)),
            **change,
        }
    )
    path.mkdir(parents=True)
    (path / "summary.json").write_bytes(result.to_json())
    (path / "plan.json").write_bytes(msgspec.json.encode(result.plan))
    lines = ["#[Histogram log format version 1.3]\n"]
    for at, values in enumerate(everything):
        lines += [_line(tag, at, 1, values) for tag in ("response", "service", "lateness")]
        if (at + 1) % label_every == 0:
            for label in labels:
                since = [second.get(label, np.zeros(0)) for second in seconds[at + 1 - label_every : at + 1]]
                tag = f"response:{quote(label, safe='', errors='surrogatepass')}"
                lines.append(_line(tag, at + 1 - label_every, label_every, np.concatenate(since)))
    (path / "latency.hlog").write_text("".join(lines))
    if timeline:
        moments = [
            Moment(
                at_s=at + 1.0,
                length_s=1.0,
                counts={"ok": len(values), "failed": failures[at]},
                response=Spread(count=len(values)),
            )
            for at, values in enumerate(everything)
        ]
        (path / "timeline.jsonl").write_bytes(b"".join(msgspec.json.encode(one) + b"\n" for one in moments))
    return path


def _line(tag: str, start_s: int, length_s: int, values: Second) -> str:
    histogram = HdrHistogram(1, 2**42 - 1, 3)
    finite, counts = np.unique(values[np.isfinite(values)].astype(np.int64), return_counts=True)
    for value, count in zip(finite.tolist(), counts.tolist(), strict=True):
        histogram.record_value(value, count)
    return f"Tag={tag},{start_s:.3f},{length_s:.3f},1.000,{histogram.encode().decode()}\n"


def _requests(ok: int, failed: int = 0) -> Requests:
    return Requests(
        total=ok + failed, ok=ok, failed=failed, bytes_sent=0, bytes_received=0, status={}, errors={}
    )


def _latencies(values: Second) -> Latencies:
    finite = [int(value) for value in values if math.isfinite(value)]
    return Latencies(
        response=summarise(Samples(sorted(finite), len(values) - len(finite))), service=EMPTY, lateness=EMPTY
    )
