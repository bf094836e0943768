"""`csv=FILE`: at the end, a row for every label and one for all of them together. Latencies in ms."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loadgen.outputs.cells import csv_line
from loadgen.outputs.output import Output
from loadgen.outputs.places import check_writable, parse_file
from loadgen.run_folder import write_whole

if TYPE_CHECKING:
    from loadgen.result import Latencies, Requests, Result

_COUNTS = ("total", "ok", "failed", "bytes_sent", "bytes_received")
_LATENCIES = ("response", "service", "lateness")
_STATISTICS = ("mean", "min", "p50", "p75", "p90", "p95", "p99", "p999", "p9999", "max")
COLUMNS = (
    *("label", "kind", *_COUNTS),
    *(f"{latency}_{statistic}_ms" for latency in _LATENCIES for statistic in _STATISTICS),
)


class FileAtEnd(Output):
    """A file that is written when all is known, whole or not at all."""

    kind = ""

    def __init__(self, argument: str) -> None:
        self._path = parse_file(argument)
        super().__init__(f"{self.kind} {argument}", self._path)

    def open(self) -> None:
        """Whether it can be written is known before the load."""
        check_writable(self._path)

    def finish(self, result: Result) -> None:
        """All of it or nothing."""
        write_whole(self._path, self.render(result).encode())

    def render(self, result: Result) -> str:
        """Its text."""
        raise NotImplementedError


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
