"""`remote-write=URL`: the same metrics as the endpoint's, pushed to a Prometheus, once for every moment.

The message is protobuf in snappy's block format; both are small enough to be written out here:

    WriteRequest { repeated TimeSeries timeseries = 1; }
    TimeSeries   { repeated Label labels = 1; repeated Sample samples = 2; }
    Label        { string name = 1; string value = 2; }         sorted by name, without empty values
    Sample       { double value = 1; int64 timestamp = 2; }     ms

    snappy: length of all, then literals: a tag, the length, the bytes. Nothing is compressed: it is one
    machine's metrics, and a library for it would cost more than the bytes do.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from loadgen.outputs.output import Output
from loadgen.outputs.post import Post
from loadgen.outputs.prometheus import metrics
from loadgen.outputs.reading import shown_name
from loadgen.outputs.tokens import secret

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from loadgen.outputs.reading import Reading
    from loadgen.progress import Opening

EXAMPLE = "http://127.0.0.1:9090/api/v1/write"
_HEADERS = {
    "Content-Type": "application/x-protobuf",
    "Content-Encoding": "snappy",
    "X-Prometheus-Remote-Write-Version": "0.1.0",
}
_BLOCK = 1 << 16  # the longest literal of two bytes of length


class RemoteWrite(Output):
    """Cumulative, so that a moment that was dropped costs no count."""

    live = True

    def __init__(self, argument: str) -> None:
        self._post = Post(argument, EXAMPLE, token=secret("PROMETHEUS_TOKEN"))
        super().__init__(f"remote-write {self._post.shown}")
        self._labels = {"job": "loadgen"}

    def begin(self, opening: Opening) -> None:
        """Series are told apart by the run's name."""
        self._labels["run"] = shown_name(opening.plan.name)

    def send(self, readings: Sequence[Reading]) -> None:
        """One request for all that waits."""
        message = b"".join(self._series(reading) for reading in readings)
        self._post.send(_snappy(message), _HEADERS)

    def _series(self, reading: Reading) -> bytes:
        return b"".join(_field(1, series) for series in self._samples(reading))

    def _samples(self, reading: Reading) -> Iterator[bytes]:
        at_ms = reading.at_ns // 1_000_000
        for metric in metrics(reading):
            for sample in metric.samples:
                labels = {"__name__": sample.name, **self._labels, **sample.labels}
                pairs = sorted((name, value) for name, value in labels.items() if value)
                named = b"".join(_field(1, _text(1, name) + _text(2, text)) for name, text in pairs)
                value = b"\x09" + struct.pack("<d", sample.value) + b"\x10" + _varint(at_ms)
                yield named + _field(2, value)

    def abort(self) -> None:
        """Wait no longer."""
        self._post.abort()

    def close(self) -> None:
        """No more."""
        self._post.close()


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def _field(number: int, content: bytes) -> bytes:
    """A field that has a length."""
    return bytes([number << 3 | 2]) + _varint(len(content)) + content


def _text(number: int, text: str) -> bytes:
    return _field(number, text.encode())


def _snappy(content: bytes) -> bytes:
    parts = [_varint(len(content))]
    for start in range(0, len(content), _BLOCK):
        block = content[start : start + _BLOCK]
        parts += [b"\xf4", struct.pack("<H", len(block) - 1), block]
    return b"".join(parts)
