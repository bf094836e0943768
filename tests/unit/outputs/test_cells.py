"""Text of others in CSV and Markdown."""

from __future__ import annotations

import csv
import html
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadgen.outputs.cells import csv_line, markdown_text
from loadgen.outputs.reading import shown_name


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", " =1", "\t=1", "|calc", "%0a"])
def test_what_could_be_a_formula_is_none(text: str) -> None:
    (cell,) = next(csv.reader([csv_line([text])]))
    assert not cell.lstrip().startswith(("=", "+", "-", "@", "|", "%"))
    assert cell.lstrip("'") == shown_name(text)


def test_numbers_are_numbers() -> None:
    assert csv_line([-1, 2.5, None, "a,b", 'a"b']) == '-1,2.5,,"a,b","a""b"\n'


@given(st.lists(st.text(), min_size=1, max_size=4))
def test_a_row_is_a_row_whatever_is_in_it(cells: list[str]) -> None:
    rows = list(csv.reader(io.StringIO(csv_line(cells), newline=""), strict=True))
    expected = [shown_name(cell) for cell in cells]
    if expected != [""]:
        assert [
            cell if cell == want else cell[1:] for cell, want in zip(*rows, expected, strict=True)
        ] == expected
    assert len(rows) == 1


@given(st.text())
def test_markdown_shows_the_text_itself(text: str) -> None:
    shown = markdown_text(text)
    assert html.unescape(shown) == html.unescape(shown_name(text).replace("&", "&amp;"))
    assert not set(shown.replace("&#", "")) & set("<>|*`_[]\\\n")
