"""Histograms that leave the engine as HdrHistogram V2 come back equal through the public Python package."""

from __future__ import annotations

import math
import os
import struct
from typing import TYPE_CHECKING

import pytest
from hdrh.histogram import HdrHistogram
from hypothesis import given
from hypothesis import strategies as st

from loadgen._engine import Block, Snapshot

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from loadgen._engine import Histogram

# The layout of a block, as rust/engine/src/record/block.rs draws it, in words of 8 bytes.
LABELS_AT, SLOT_HEAD, BUCKETS, SEGMENT, HEADS_AT = 512 + 512 * 32, 2048, 33 * 1024, 1024, 1144
GROUPS_AT, GROUP = 1144 + 11 * 8 + 1, 16
HIGHEST = 2**42 - 1
VERSION, LABELS = 0, 2


def index_of(value: int) -> int:
    """The bucket of a value: 2048 of width 1, then 1024 for each doubling."""
    magnitude = max(value.bit_length() - 11, 0)
    return magnitude * SEGMENT + (value >> magnitude)


def lowest_of(index: int) -> int:
    magnitude = max(index // SEGMENT - 1, 0)
    return (index - magnitude * SEGMENT) << magnitude


def histogram_of(counts: Mapping[int, int]) -> Histogram:
    """The engine's histogram with these counts by bucket, written as a worker writes it."""
    block = Block(1)

    def write(word: int, *values: int) -> None:
        data = struct.pack(f"<{len(values)}Q", *values)
        assert os.pwrite(block.fd, data, word * 8) == len(data)

    assert struct.unpack("<Q", os.pread(block.fd, 8, VERSION * 8)) == (6,), "the layout has changed"
    write(LABELS, 1)
    touched, groups = 0, dict[int, int]()
    for index, count in counts.items():
        write(LABELS_AT + SLOT_HEAD + index, count)
        segment, place = divmod(index, SEGMENT)
        touched |= 1 << segment
        groups[segment] = groups.get(segment, 0) | 1 << (place // GROUP)
    for segment, bits in groups.items():
        write(LABELS_AT + GROUPS_AT + segment, bits)
    total = sum(counts.values())
    values = [lowest_of(index) for index in counts] or [0]
    # Count, sum, sum of squares, complement of the smallest, largest, infinite, overflow, touched segments.
    head = (total, 0, 0, ~min(values) & (2**64 - 1), max(values), 0, 0, touched)
    write(LABELS_AT + HEADS_AT, *head)
    return Snapshot.read([block]).histogram("response")


def decoded(histogram: Histogram) -> HdrHistogram:
    return HdrHistogram.decode(histogram.encode())


def counts_of(read: HdrHistogram, indices: Iterable[int]) -> dict[int, int]:
    found = {index: read.get_count_at_value(lowest_of(index)) for index in indices}
    return {index: count for index, count in found.items() if count}


def test_every_bucket_comes_back() -> None:
    """Catches a bucket that the encoding shifts, drops or merges: each of them holds a count of its own."""
    counts = {index: 1 + index % 7 for index in range(BUCKETS)}
    histogram = histogram_of(counts)
    assert [count for _, _, count in histogram.buckets()] == list(counts.values())
    read = decoded(histogram)
    assert read.get_total_count() == sum(counts.values())
    # hdrhistogram has no 0 of its own kind below its lowest value 1, but a bucket for it all the same.
    assert counts_of(read, range(BUCKETS)) == counts


def test_the_bounds_of_buckets_are_hdrhistograms() -> None:
    """Catches a layout of our own that only looks alike: bounds must be those which public tools compute."""
    read = HdrHistogram(1, HIGHEST, 3)
    for lowest, highest, _ in histogram_of(dict.fromkeys(range(BUCKETS), 1)).buckets():
        assert read.get_lowest_equivalent_value(lowest) == read.get_lowest_equivalent_value(highest) == lowest
        assert read.get_highest_equivalent_value(lowest) == highest


@pytest.mark.parametrize("count", [1, 127, 128, 2**21, 2**40])
def test_counts_of_any_size_come_back(count: int) -> None:
    """Catches a count cut at a border of the variable-length encoding, or at 32 bits."""
    counts = {0: count, 2047: 1, 2048: count, BUCKETS - 1: count}
    assert counts_of(decoded(histogram_of(counts)), counts) == counts


def test_an_empty_histogram_comes_back_empty() -> None:
    """Catches an interval without samples that readers of the log cannot read."""
    assert decoded(histogram_of({})).get_total_count() == 0


@given(
    counts=st.dictionaries(st.integers(0, HIGHEST).map(index_of), st.integers(1, 10**6), min_size=1),
    percent=st.floats(0.01, 100),
)
def test_percentiles_are_the_same_through_the_public_reader(counts: dict[int, int], percent: float) -> None:
    """Catches a percentile that a reader of latency.hlog would see otherwise than the summary tells it."""
    histogram = histogram_of(counts)
    read = decoded(histogram)
    assert counts_of(read, counts) == counts
    total = sum(counts.values())
    rank = math.ceil(percent / 100 * total - 1e-9)
    # The package rounds to the nearest rank, we go up: ask it for the middle of our rank.
    theirs = read.get_value_at_percentile((rank - 0.25) / total * 100)
    ours = histogram.percentile(percent)
    assert ours is not None
    assert index_of(int(ours)) == index_of(theirs)
