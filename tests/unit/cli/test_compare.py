"""`loadgen compare` and `loadgen history`, and what they are asked wrongly."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from loadgen.cli import call
from tests.support.run_folders import write_run

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("compare", "a"), "expected two run folders, got 1"),
        (("compare", "a", "b", "c"), "expected two run folders, got 3"),
        (("compare", "none", "none"), "there is no folder none"),
        (
            ("compare", "a", "a", "--tolerance", "0.1"),
            '--tolerance: expected a share such as "5%", got "0.1"',
        ),
        (("compare", "a", "a", "--percentile", "p100"), "--percentile: not a percentile: p100"),
        (("compare", "a", "a", "--picture", "none/x.svg"), "--picture: none/x.svg cannot be written"),
        (("compare", "broken", "a"), "summary.json is no summary of a run"),
        (("compare", "nolog", "a"), "latency.hlog cannot be read"),
        (("history", "--last", "0"), "--last: expected a whole number"),
        (("history",), "there is no folder runs"),
        (("blast", "--baseline", "none"), "none holds no run"),
    ],
)
def test_mistakes_end_in_words(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    said: str,
) -> None:
    for name in ("a", "broken", "nolog"):
        write_run(tmp_path / name, [{"GET /": np.full(400, 1e6)}] * 8)
    (tmp_path / "broken/summary.json").write_text("[]")
    (tmp_path / "nolog/latency.hlog").unlink()
    monkeypatch.chdir(tmp_path)
    assert call(list(words)) == 2
    captured = capsys.readouterr()
    assert said in captured.err and captured.out == ""
    assert not (tmp_path / "runs").exists(), "a baseline that cannot be read costs no run"
