"""`statsd[=HOST:PORT]` and `dogstatsd[=HOST:PORT]`: StatsD over UDP, with labels in the names or as tags.

    loadgen.requests.GET__items.200:117|c               plain: every server understands it
    loadgen.requests:117|c|#label:GET /items,status:200      DogStatsD's tags

Of latencies, gauges: their percentiles in ms, in each interval. UDP tells nobody what was lost on the way.
"""

from __future__ import annotations

import math
import re
import socket
from typing import TYPE_CHECKING

from loadgen.outputs.family import families
from loadgen.outputs.output import Output, Refused
from loadgen.outputs.places import parse_place

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from loadgen.outputs.reading import Reading

HOST, PORT = "127.0.0.1", 8125
PACKET = 1400  # fits an Ethernet frame
LONGEST_LINE = 1200
_PERCENTILES = ("mean", "p50", "p90", "p95", "p99", "p999", "max")


class StatsD(Output):
    """Labels become part of the names."""

    live = True
    kind = "statsd"
    signs_are_steps = True  # a gauge of -5 is five less than before: it begins at 0 then

    def __init__(self, argument: str) -> None:
        self._host, self._port = parse_place(argument, HOST, PORT)
        super().__init__(f"{self.kind} {self._host}:{self._port}")
        self._socket: socket.socket | None = None

    def open(self) -> None:
        """Find the address."""
        family, kind, _, _, address = socket.getaddrinfo(self._host, self._port, type=socket.SOCK_DGRAM)[0]
        self._socket = socket.socket(family, kind)
        try:
            self._socket.connect(address)
        except OSError:
            self._socket.close()
            raise

    def send(self, readings: Sequence[Reading]) -> None:
        """As many lines in a packet as fit. Nothing is sent twice: it would count twice."""
        assert self._socket is not None
        try:
            for packet in packets(line for reading in readings for line in self.lines(reading)):
                self._socket.send(packet)
        except OSError as error:
            raise Refused(error.strerror or str(error)) from None

    def lines(self, reading: Reading) -> Iterator[str]:
        """One metric each."""
        for family in families(reading.interval, reading.now):
            name = f"loadgen.{family.name.removeprefix('loadgen_').removesuffix('_seconds')}"
            for point in family.points:
                if point.latency is not None:
                    for which in _PERCENTILES:
                        value = getattr(point.latency, which)
                        if value not in (None, "inf"):
                            yield self.line(f"{name}.{which}", value, "g", point.labels)
                elif math.isfinite(point.value) and (point.value or family.kind == "gauge"):
                    kind = "c" if family.kind == "counter" else "g"
                    if self.signs_are_steps and kind == "g" and point.value < 0:
                        yield self.line(name, 0, kind, point.labels)
                    yield self.line(name, point.value, kind, point.labels)

    def line(self, name: str, value: float, kind: str, labels: Mapping[str, str]) -> str:
        """`name.label.label:value|kind`."""
        parts = [name, *(re.sub(r"[^A-Za-z0-9_-]", "_", text) for text in labels.values() if text)]
        return f"{'.'.join(parts)[:LONGEST_LINE]}:{value:.12g}|{kind}"

    def close(self) -> None:
        """No more."""
        if self._socket is not None:
            self._socket.close()


class DogStatsD(StatsD):
    """Labels become tags."""

    kind = "dogstatsd"
    signs_are_steps = False

    def line(self, name: str, value: float, kind: str, labels: Mapping[str, str]) -> str:
        """`name:value|kind|#tag:text,tag:text`; what would end a tag is written as `_`."""
        tags = ",".join(f"{tag}:{re.sub(r'[,|]', '_', text)}" for tag, text in labels.items() if text)
        return f"{name}:{value:.12g}|{kind}" + (f"|#{tags[:LONGEST_LINE]}" if tags else "")


def packets(lines: Iterator[str]) -> Iterator[bytes]:
    """Lines, put together."""
    packet = b""
    for line in lines:
        data = line.encode()
        if packet and len(packet) + 1 + len(data) > PACKET:
            yield packet
            packet = b""
        packet += (b"\n" if packet else b"") + data
    if packet:
        yield packet
