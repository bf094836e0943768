"""The kinds of errors are the engine's, all of them and no others."""

from __future__ import annotations

import re
from pathlib import Path

from loadgen.error_kinds import ERROR_WORDS

ENGINE = Path(__file__).parents[2] / "rust/engine/src/outcome.rs"


def test_each_kind_of_the_engine_has_its_words() -> None:
    names = re.findall(r"Self::\w+ => \"(\w+)\"", ENGINE.read_text())
    assert len(names) > 30 and set(names) == set(ERROR_WORDS)
