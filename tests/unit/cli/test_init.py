"""`loadgen init`: a script that can be loaded, and that is never written over by accident."""

from __future__ import annotations

from pathlib import Path

import pytest

from loadgen.cli import call
from loadgen.starter import starter


def test_it_writes_a_script_and_says_what_comes_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert call(["init"]) == 0
    assert "\n  loadgen run scenario.py\n" in capsys.readouterr().out
    assert (tmp_path / "scenario.py").read_text() == starter("scenario.py")
    compile(starter("scenario.py"), "scenario.py", "exec")
    assert "{{" not in starter("shop.py")
    assert "loadgen run shop.py" in starter("shop.py")


def test_a_file_that_is_there_stays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "mine.py"
    file.write_text("mine")
    assert call(["init", str(file)]) == 2
    assert "is there already\n  --force writes over it." in capsys.readouterr().err
    assert file.read_text() == "mine"
    assert call(["init", str(file), "--force"]) == 0
    assert "@scenario" in file.read_text()


@pytest.mark.parametrize(
    ("name", "words"), [("script.txt", "ends in .py"), ("nowhere/script.py", "cannot be written: No such")]
)
def test_what_cannot_be_written_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, words: str
) -> None:
    assert call(["init", str(tmp_path / name)]) == 2
    assert words in capsys.readouterr().err
