"""The snappy block that carries a remote write: read back by the rules of its format."""

from __future__ import annotations

import random

import pytest

from loadgen.outputs.remote_write import _snappy, _varint


def read_varint(data: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = data[at]
        at, number, shift = at + 1, number | (byte & 0x7F) << shift, shift + 7
        if byte < 0x80:
            return number, at


@pytest.mark.parametrize("number", [0, 1, 127, 128, 300, 2**32, 1_700_000_000_000])
def test_a_varint_is_read_back(number: int) -> None:
    assert read_varint(_varint(number), 0) == (number, len(_varint(number)))


@pytest.mark.parametrize("size", [0, 1, 60, 61, 65535, 65536, 65537, 200_000])
def test_literals_make_up_the_content(size: int) -> None:
    content = random.Random(size).randbytes(size)
    block = _snappy(content)
    length, at = read_varint(block, 0)
    assert length == size
    read = b""
    while at < len(block):
        assert block[at] == 0xF4, "a literal whose length stands in two bytes"
        literal = int.from_bytes(block[at + 1 : at + 3], "little") + 1
        read += block[at + 3 : at + 3 + literal]
        at += 3 + literal
    assert read == content and at == len(block)
