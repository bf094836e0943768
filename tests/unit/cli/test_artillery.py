"""What `--dotenv` reads: each row is what the library `dotenv` makes of it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from loadgen.cli.artillery import read_dotenv

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

FILE = r"""
# a comment
A=b#c
export B='x # y' # z
C: colon
D="two
lines\nand\r\"q\""
E = spaced@
F=
G='it\'s'
H=a=b
I=`tick "q" 'q'`
 J=indented
K="a" b
L='unclosed
M.N-O=kept
GIVEN=never
"""


def test_variables_of_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", {"GIVEN": "before"})
    path = tmp_path / "vars.env"
    path.write_text(FILE.replace("@", "  "))
    read_dotenv(path)
    assert os.environ == {
        "GIVEN": "before",  # what is there already stays
        "A": "b",
        "B": "x # y",
        "C": "colon",
        "D": 'two\nlines\nand\r\\"q\\"',
        "E": "spaced",
        "F": "",
        "G": r"it\'s",
        "H": "a=b",
        "I": "tick \"q\" 'q'",
        "J": "indented",
        "K": '"a" b',
        "L": "'unclosed",
        "M.N-O": "kept",
    }
