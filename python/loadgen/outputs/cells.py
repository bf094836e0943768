"""Text from outside in files that other programs open: shown there as text, and never taken for more."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable
from html import escape

from loadgen.outputs.reading import shown_name

# What a spreadsheet takes for a formula, by the first character.
_FORMULA = re.compile(r"\s*[=+\-@|%]")
# What Markdown could take for its own; as an entity it stands for itself.
_MARKUP = re.compile(r"[\\`*_{}\[\]()#+!|~:@$^=]")


def csv_line(cells: Iterable[object]) -> str:
    """One row. Numbers as they are; None is empty; text that could be a formula gets a quote in front."""
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(_cell(cell) for cell in cells)
    return line.getvalue()


def _cell(cell: object) -> object:
    if not isinstance(cell, str):
        return "" if cell is None else cell
    text = shown_name(cell)
    return f"'{text}" if _FORMULA.match(text) else text


def markdown_text(text: str) -> str:
    """Text in a paragraph or a table of Markdown."""
    shown = escape(shown_name(text), quote=False)
    return re.sub(r"(?i)www\.", lambda www: www[0][:3] + "&#46;", _entities(shown))


def _entities(text: str) -> str:
    return _MARKUP.sub(lambda char: f"&#{ord(char[0])};", text)
