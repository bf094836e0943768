"""`jsonl=FILE` and `csv-live=FILE`: a line for each label in each second, as it happens. Latencies in ms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from loadgen.outputs.cells import csv_line
from loadgen.outputs.output import Output
from loadgen.outputs.places import LiveFile, parse_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from loadgen.outputs.reading import LabelFigures, Reading
    from loadgen.timeline import Spread

_COUNTS = ("sent", "ok", "failed", "bytes_sent", "bytes_received")
_LATENCIES = ("response", "service", "lateness")
_STATISTICS = ("mean", "p50", "p90", "p95", "p99", "p999", "max")
CSV_COLUMNS = (
    *("time", "at_s", "length_s", "label", "kind"),
    *_COUNTS,
    *(f"{latency}_{statistic}_ms" for latency in _LATENCIES for statistic in _STATISTICS),
    *("status", "errors"),
)


class JsonLines(Output):
    """One object a line; what is zero or unknown is left out, as in timeline.jsonl."""

    live = True
    kind = "jsonl"

    def __init__(self, argument: str) -> None:
        self._path = parse_file(argument)
        super().__init__(f"{self.kind} {argument}", self._path)
        self._head = ""
        self._file: LiveFile | None = None

    def open(self) -> None:
        """Whether it can be written is known before the load."""
        self._file = LiveFile(self._path)

    def send(self, readings: Sequence[Reading]) -> None:
        """Each second's lines, whole."""
        assert self._file is not None
        self._file.append(
            self._head
            + "".join(
                self.line(reading, row)
                for reading in readings
                for row in reading.interval.labels
                # At the end of a run there are samples of what never ended, and nothing else.
                if row.sent or row.ok or row.failed or row.response
            )
        )
        self._head = ""

    def line(self, reading: Reading, row: LabelFigures[Spread | None]) -> str:
        """One object."""
        found = {"time": reading.at_ns / 1e9, "at_s": reading.at_s, "length_s": reading.length_s}
        fields = found | dict(_fields(row))
        return msgspec.json.encode(fields).decode() + "\n"

    def close(self) -> None:
        """Nothing is held back."""
        if self._file is not None:
            self._file.close()


def _fields(row: LabelFigures[Spread | None]) -> Iterator[tuple[str, Any]]:
    for name in ("label", "kind", *_COUNTS, "status", "errors", *_LATENCIES):
        value = getattr(row, name)
        if value:
            yield name, value


class CsvLines(JsonLines):
    """The same as a table; status and errors as `200:5 404:1`."""

    kind = "csv-live"

    def __init__(self, argument: str) -> None:
        super().__init__(argument)
        self._head = csv_line(CSV_COLUMNS)

    def line(self, reading: Reading, row: LabelFigures[Spread | None]) -> str:
        """One row."""
        cells: list[object] = [f"{reading.at_ns / 1e9:.3f}", reading.at_s, reading.length_s]
        cells += [row.label, row.kind, *(getattr(row, name) for name in _COUNTS)]
        for latency in _LATENCIES:
            spread = getattr(row, latency)
            cells += [None if spread is None else getattr(spread, name) for name in _STATISTICS]
        cells += [" ".join(f"{name}:{n}" for name, n in part.items()) for part in (row.status, row.errors)]
        return csv_line(cells)
