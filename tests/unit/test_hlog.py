"""The log read back: bucket for bucket what the public package wrote, and no file that can do harm."""

from __future__ import annotations

import struct
import zlib
from base64 import b64encode
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hdrh.histogram import HdrHistogram
from hypothesis import given
from hypothesis import strategies as st

from loadgen.errors import UsageError
from loadgen.hlog import BUCKETS, decode, highest_ns, read_hlog

if TYPE_CHECKING:
    from pathlib import Path

HIGHEST = 2**42 - 1


def line(data: bytes, tag: str = "response") -> bytes:
    return f"Tag={tag},0.000,1.000,1.000,".encode() + data + b"\n"


def packed(counts: bytes, *, digits: int = 3, lowest: int = 1) -> bytes:
    """A histogram with these bytes as its counts."""
    head = struct.pack(">iiiiqqd", 0x1C849313, len(counts), 0, digits, lowest, HIGHEST, 1.0)
    body = zlib.compress(head + counts)
    return b64encode(struct.pack(">ii", 0x1C849314, len(body)) + body)


@given(st.dictionaries(st.integers(1, HIGHEST), st.integers(1, 2**40)))
def test_what_the_public_package_wrote_comes_back(values: dict[int, int]) -> None:
    written = HdrHistogram(1, HIGHEST, 3)
    for value, count in values.items():
        written.record_value(value, count)
    expected: dict[float, int] = {}
    for value, count in values.items():
        highest = float(written.get_highest_equivalent_value(value))
        expected[highest] = expected.get(highest, 0) + count
    buckets, counts = decode(written.encode())
    assert dict(zip(highest_ns(buckets).tolist(), counts.tolist(), strict=True)) == expected
    assert list(buckets) == sorted(set(buckets.tolist()))


def test_only_the_tags_that_are_wanted_are_decoded(tmp_path: Path) -> None:
    empty = HdrHistogram(1, HIGHEST, 3).encode()
    file = tmp_path / "latency.hlog"
    file.write_bytes(
        b"#[head]\n" + line(empty) + line(b"nonsense", "service") + line(empty, "response:GET%20%2Fa%2Cb")
    )
    found = read_hlog(file, lambda tag: tag.startswith("response"))
    assert list(found) == ["response", "response:GET /a,b"]
    assert (found["response"].lengths_s, found["response"].count) == ([1.0], 0)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"nonsense", "not an interval"),
        (b"", "not an interval"),
        (packed(b"\x02")[:-8], "not an interval"),
        (packed(b"\x82"), "not whole"),
        (packed(b"\x80" * 8 + b"\x01"), "too large"),
        (packed(b"\x02", digits=2), "other buckets than ours"),
        (packed(b"\x02" * (BUCKETS + 1)), "beyond the last bucket"),
        (packed(b"\x00" * 50_000_000), "not whole"),
    ],
    ids=["text", "none", "cut", "half a number", "huge number", "two digits", "too many", "bomb"],
)
def test_what_is_no_log_is_refused_with_its_line(tmp_path: Path, data: bytes, words: str) -> None:
    file = tmp_path / "latency.hlog"
    file.write_bytes(b"#[head]\n" + line(data))
    with pytest.raises(UsageError, match=words) as refused:
        read_hlog(file, lambda _: True)
    assert f"{file}:2:" in refused.value.message


def test_a_log_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        read_hlog(tmp_path / "latency.hlog", lambda _: True)


def test_buckets_end_where_the_next_begins() -> None:
    highest = highest_ns(np.arange(BUCKETS))
    assert highest[:2048].tolist() == list(range(2048))
    assert highest[2048] == 2049 and highest[-1] == HIGHEST
    assert (np.diff(highest) > 0).all()
