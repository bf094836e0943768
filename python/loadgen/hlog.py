"""Reads latency.hlog back: for each tag the counts by interval and bucket. run_folder.py writes it.

The data of a line, once decoded from base64:

    cookie, length              4 bytes each, the latter that of what follows, which zlib has compressed:
    cookie, length, offset, digits, lowest, highest, ratio      a head of 40 bytes
    counts                      from the lowest bucket up, a number of 7 bits a byte each; a negative one says
                                how many buckets are empty
"""

from __future__ import annotations

import binascii
import struct
import zlib
from base64 import b64decode
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

import numpy as np
from numpy.typing import NDArray

from loadgen.errors import UsageError

Whole = NDArray[np.int64]
Real = NDArray[np.float64]

BUCKETS = 33 * 1024  # 2,048 of width 1 ns, then 1,024 for each doubling
_HALF = 1024
_HEAD = struct.Struct(">iiiiqqd")
_COMPRESSED, _PLAIN, _DIGITS = 0x1C849304, 0x1C849303, 3
# What a line can unfold to at the most: a hostile file must not fill the memory.
_MOST_BYTES = _HEAD.size + 9 * BUCKETS


@dataclass(frozen=True)
class Intervals:
    """One tag: how long each interval was, and its filled buckets with their counts, in little memory."""

    lengths_s: list[float] = field(default_factory=list)
    cells: list[tuple[NDArray[np.uint16], NDArray[np.uint32]]] = field(default_factory=list)

    @property
    def count(self) -> int:
        """Samples of all intervals."""
        return int(sum(counts.sum() for _, counts in self.cells))


def read_hlog(path: Path, wanted: Callable[[str], bool]) -> dict[str, Intervals]:
    """The tags that are wanted, decoded, each with its intervals. Raises UsageError for another file."""
    found: dict[bytes, Intervals | None] = {}
    names: dict[str, Intervals] = {}
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if not line.startswith(b"Tag="):
                    continue
                raw, _, rest = line[4:].partition(b",")
                if raw not in found:
                    name = unquote(raw.decode("ascii", "replace"))
                    found[raw] = names.setdefault(name, Intervals()) if wanted(name) else None
                intervals = found[raw]
                if intervals is None:
                    continue
                try:
                    _, length, _, data = rest.split(b",")
                    length_s = float(length)
                    buckets, counts = decode(data)
                    if counts.size and counts.max() >= 2**32:
                        raise ValueError("a count that is too large")
                except (ValueError, binascii.Error, zlib.error, struct.error) as error:
                    raise UsageError(f"{path}:{number}: not an interval of a log: {error}") from None
                intervals.lengths_s.append(length_s)
                intervals.cells.append((buckets.astype(np.uint16), counts.astype(np.uint32)))
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror or error}") from None
    return names


def decode(data: bytes) -> tuple[Whole, Whole]:
    """Filled buckets and their counts. Raises ValueError, zlib.error or struct.error."""
    packed = b64decode(data)
    cookie, length = struct.unpack_from(">ii", packed)
    unpacker = zlib.decompressobj()
    body = unpacker.decompress(packed[8 : 8 + length], _MOST_BYTES)
    inner, size, offset, digits, lowest, _, _ = _HEAD.unpack_from(body)
    if (cookie & ~0xF0, inner & ~0xF0) != (_COMPRESSED, _PLAIN):
        raise ValueError("not HdrHistogram's format V2")
    if (digits, lowest, offset) != (_DIGITS, 1, 0):
        raise ValueError("other buckets than ours: 3 digits from 1 on")
    if unpacker.unconsumed_tail or not 0 <= size == len(body) - _HEAD.size:
        raise ValueError("not whole")
    return _cells(np.frombuffer(body, np.uint8, size, _HEAD.size))


def _cells(data: NDArray[np.uint8]) -> tuple[Whole, Whole]:
    last = np.flatnonzero(data < 128)  # the last byte of each number
    if not data.size:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    if not last.size or last[-1] != data.size - 1:
        raise ValueError("not whole")
    first = np.concatenate(([0], last[:-1] + 1))
    sizes = last - first + 1
    if sizes.max() > 8:  # more than 10^16 samples
        raise ValueError("a count that is too large")
    places = np.arange(data.size) - np.repeat(first, sizes)
    numbers = np.add.reduceat((data & 127).astype(np.int64) << (7 * places), first)
    numbers = (numbers >> 1) ^ -(numbers & 1)
    steps = np.where(numbers < 0, -numbers, 1)
    buckets = np.cumsum(steps) - steps
    filled = numbers > 0
    if filled.any() and buckets[filled][-1] >= BUCKETS:
        raise ValueError("beyond the last bucket")
    return buckets[filled], numbers[filled]


def highest_ns(buckets: Whole) -> Real:
    """The largest value that each bucket holds: what a percentile is, as in every report."""
    magnitudes = np.maximum(buckets // _HALF - 1, 0)
    highest: Real = (((buckets - magnitudes * _HALF + 1) << magnitudes) - 1).astype(np.float64)
    return highest
