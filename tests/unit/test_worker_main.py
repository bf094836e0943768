"""The worker's door: it speaks the protocol even when it cannot work."""

from __future__ import annotations

import subprocess
import sys

import pytest


def start(stdin: bytes) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "loadgen.worker_main", "--block-fd", "0", "--index", "0"]
    return subprocess.run(command, input=stdin, capture_output=True, check=False, timeout=20)


@pytest.mark.parametrize(
    ("stdin", "words"),
    [
        (b"", b"EOFError: the parent went before it had sent a plan"),
        (b'{"schema": ', b"EOFError"),
        (b"nonsense\n", b"plan"),
        (b'{"schema": "loadgen/plan/2"}\n', b"plan"),
    ],
)
def test_what_it_cannot_do_it_says_in_one_line(stdin: bytes, words: bytes) -> None:
    ended = start(stdin)
    assert ended.returncode == 1
    assert ended.stdout.startswith(b"error ")
    assert words in ended.stdout
    assert ended.stdout.count(b"\n") == 1
    assert ended.stderr == b""
