"""Compressed bodies, among them one of two megabytes that would be more than a gigabyte."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING

import pytest

from tests.support.books import balanced

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import NginxFactory
    from tests.support.command import Loadgen

GZIP_HEAD = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
PIECE = bytes(1 << 24)
PIECES = 72
LOAD = ("--tps", "10", "--duration", "200ms", "--workers", "1")
COUNT = 2


def bomb() -> bytes:
    """A right gzip stream of 1.2 GB of zeros. A flush resets the compressor, so one piece serves for all."""
    compressor = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    piece = compressor.compress(PIECE) + compressor.flush(zlib.Z_FULL_FLUSH)
    checksum = 0
    for _ in range(PIECES):
        checksum = zlib.crc32(PIECE, checksum)
    end = compressor.flush() + struct.pack("<II", checksum, len(PIECE) * PIECES)
    return GZIP_HEAD + piece * PIECES + end


@pytest.mark.parametrize("protocol", ["--http1", "--http2"])
def test_a_body_that_explodes_is_refused_or_left_as_it_came(
    loadgen: Loadgen, nginx: NginxFactory, tmp_path: Path, protocol: str
) -> None:
    (tmp_path / "files").mkdir()
    body = bomb()
    (tmp_path / "files" / "bomb").write_bytes(body)
    server = nginx(
        http2=protocol == "--http2", locations=f"root {tmp_path}/files; add_header Content-Encoding gzip;"
    )
    result = loadgen("blast", f"{server.url}/bomb", "--compressed", protocol, *LOAD)
    requests = balanced(result)["requests"]
    assert set(requests["errors"]) | set(requests["status"]) <= {"body_too_large", "200"}, result
    assert requests["bytes_received"] < COUNT * 2 * len(body), "what counts is what came over the wire"


@pytest.mark.parametrize("asked", [True, False])
def test_who_asks_for_compression_gets_it(loadgen: Loadgen, nginx: NginxFactory, asked: bool) -> None:
    body = "z" * 2000
    server = nginx(locations=f"gzip on; gzip_types text/plain; location / {{ return 200 {body}; }}")
    result = loadgen("blast", server.url, *(("--compressed",) if asked else ()), *LOAD)
    requests = balanced(result)["requests"]
    assert requests["status"] == {"200": COUNT}, result
    assert requests["bytes_received"] == sum(line.response_bytes for line in server.access_log()), result
    assert (requests["bytes_received"] < COUNT * 1000) == asked, result
