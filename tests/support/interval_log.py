"""Reads an HdrHistogram interval log by the rules of the Java tools, from the format's description alone.

It shares no code with loadgen and none with the package that other tests read the log with.

    #[StartTime: S ...]     seconds since 1970, of the log
    #[BaseTime: B ...]      what stamps are relative to; without it they are absolute where they are within a
                            year of S, and relative to S where they are not
    Tag=T,stamp,length,maximum,data      the tag may be left out; the maximum is in units of 10^6 values

Data, from base64: a cookie and a length of 4 bytes each, then zlib: cookie, length of the counts, normalizing
offset, digits (4 bytes each), lowest and highest value (8 each), ratio (a double), then the counts: ZigZag
LEB128 of at most 9 bytes, where a negative one stands for so many empty buckets.
"""

from __future__ import annotations

import re
import struct
import zlib
from base64 import b64decode
from dataclasses import dataclass, field
from math import ceil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

VALUES_IN_UNIT = 1_000_000.0
_A_YEAR_S = 365 * 24 * 3600.0
_PLAIN, _PACKED = 0x1C849303, 0x1C849304


@dataclass
class Counts:
    """Samples by bucket, with the reader's arithmetic."""

    digits: int
    lowest: int
    counts: dict[int, int] = field(default_factory=dict)

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    @property
    def _half_bits(self) -> int:
        """Bits of half a sub-bucket array: the least power of two that tells so many digits apart."""
        return int(2 * 10**self.digits - 1).bit_length() - 1

    def _split(self, index: int) -> tuple[int, int]:
        """The value at which a bucket begins, and how wide it is."""
        half = 1 << self._half_bits
        unit = self.lowest.bit_length() - 1
        bucket = (index >> self._half_bits) - 1
        place = (index & (half - 1)) + half
        if bucket < 0:
            bucket, place = 0, place - half
        return place << (bucket + unit), 1 << (bucket + unit)

    def highest_equivalent(self, value: int) -> int:
        """The largest value that a reader cannot tell from this one."""
        unit = self.lowest.bit_length() - 1
        bucket = max(0, (value >> unit).bit_length() - self._half_bits - 1)
        width = 1 << (bucket + unit)
        return value // width * width + width - 1

    def at_percentile(self, percent: float) -> int:
        """The highest value of the bucket that holds the sample of this rank."""
        rank, seen = max(1, ceil(percent / 100 * self.total - 1e-9)), 0
        for index in sorted(self.counts):
            seen += self.counts[index]
            if seen >= rank:
                begin, width = self._split(index)
                return begin + width - 1
        raise ValueError("no samples")

    def max_value(self) -> int:
        return self.at_percentile(100.0)

    def add(self, other: Counts) -> None:
        assert (self.digits, self.lowest) == (other.digits, other.lowest)
        for index, count in other.counts.items():
            self.counts[index] = self.counts.get(index, 0) + count


@dataclass(frozen=True)
class Interval:
    """A line."""

    tag: str | None
    offset_s: float  # since the log's start
    start_ms: int  # since 1970
    end_ms: int
    maximum: float  # in the reader's unit
    counts: Counts


def read_log(path: Path, start_s: float = 0.0, end_s: float = float("inf")) -> Iterator[Interval]:
    """Intervals whose offset lies in a range."""
    begun: float | None = None
    base: float | None = None
    for line in path.read_text("ascii").splitlines():
        if line.startswith("#"):
            if found := re.match(r"#\[StartTime: ([\d.]+) ", line):
                begun = float(found[1])
            elif found := re.match(r"#\[BaseTime: ([\d.]+) ", line):
                base = float(found[1])
            continue
        if line.startswith('"StartTimestamp"'):
            continue
        fields = line.split(",")
        tag = fields.pop(0).removeprefix("Tag=") if line.startswith("Tag=") else None
        stamp, length, maximum = map(float, fields[:3])
        begun = stamp if begun is None else begun
        if base is None:
            base = begun if stamp < begun - _A_YEAR_S else 0.0
        start = base + stamp
        if start_s <= start - begun <= end_s:
            (data,) = fields[3:]
            ends = (int(start * 1000.0), int((start + length) * 1000.0))
            yield Interval(tag, start - begun, *ends, maximum, decode(data))


def merged(intervals: Iterable[Interval]) -> Counts:
    """All of them as one."""
    first, *rest = intervals
    whole = Counts(first.counts.digits, first.counts.lowest, dict(first.counts.counts))
    for interval in rest:
        whole.add(interval.counts)
    return whole


def decode(data: str) -> Counts:
    """The histogram of a line."""
    packed = b64decode(data, validate=True)
    cookie, length = struct.unpack_from(">ii", packed)
    assert cookie & ~0xF0 == _PACKED and length == len(packed) - 8
    body = zlib.decompress(packed[8:])
    inner, size, offset, digits, lowest, highest, ratio = struct.unpack_from(">iiiiqqd", body)
    assert inner & ~0xF0 == _PLAIN and (offset, ratio) == (0, 1.0)
    counts, index = Counts(digits, lowest), 0
    for number in _numbers(body[40 : 40 + size]):
        if number < 0:
            index -= number
            continue
        if number:
            counts.counts[index] = number
        index += 1
    assert not counts.counts or counts.max_value() <= counts.highest_equivalent(highest)
    return counts


def _numbers(data: bytes) -> Iterator[int]:
    number = place = 0
    for byte in data:
        last = place == 8  # the ninth byte is whole
        number |= (byte if last else byte & 0x7F) << (7 * place)
        if last or byte < 0x80:
            yield (number >> 1) ^ -(number & 1)
            number = place = 0
        else:
            place += 1
    assert place == 0, "cut within a number"
