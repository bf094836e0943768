"""`csv=FILE`: at the end, a row for every label and one for all of them together. Latencies in ms."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loadgen.outputs.cells import csv_line
from loadgen.outputs.file_at_end import FileAtEnd

if TYPE_CHECKING:
    from loadgen.result import Latencies, Requests, Result

_COUNTS = ("total", "ok", "failed", "bytes_sent", "bytes_received")
_LATENCIES = ("response", "service", "lateness")
_STATISTICS = ("mean", "min", "p50", "p75", "p90", "p95", "p99", "p999", "p9999", "max")
COLUMNS = (
    *("label", "kind", *_COUNTS),
    *(f"{latency}_{statistic}_ms" for latency in _LATENCIES for statistic in _STATISTICS),
)


class Table(FileAtEnd):
    """What summary.json has of labels, for a spreadsheet."""

    kind = "csv"

    def render(self, result: Result) -> str:
        """Head, labels, total."""
        rows = [_row(row.label, row.kind, row.requests, row.latency) for row in result.labels]
        rows.append(_row("total", "total", result.requests, result.latency))
        return "".join([csv_line(COLUMNS), *rows])


def _row(label: str, kind: str, requests: Requests, latency: Latencies) -> str:
    cells: list[object] = [label, kind, *(getattr(requests, name) for name in _COUNTS)]
    for name in _LATENCIES:
        found = getattr(latency, name)
        cells += [getattr(found, f"{statistic}_ms") for statistic in _STATISTICS]
    return csv_line(cells)
