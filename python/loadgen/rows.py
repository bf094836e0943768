"""Rows of CSV and JSON Lines files, one at a time; every mistake with its file and line. Keeps nothing."""

from __future__ import annotations

import codecs
import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

import msgspec

from loadgen.errors import UsageError
from loadgen.units import counted, quoted

Row = dict[str, Any]


def read_csv(path: Path, delimiter: str = ",") -> Iterator[Row]:
    """Each record as {column: text}. The first line names the columns."""
    reader = None
    line = 1
    try:
        # utf-8-sig: spreadsheets begin with a byte order mark, which is no part of the first column's name.
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, delimiter=delimiter, strict=True)
            columns: list[str] = []
            for values in reader:
                if not values:  # an empty line, often the last one
                    pass
                elif not columns:
                    columns = _columns(path, line, values, delimiter)
                elif len(values) != len(columns):
                    wrong(path, line, f"{counted(len(values), 'value')} where the header has {len(columns)}")
                else:
                    yield dict(zip(columns, values, strict=True))
                line = reader.line_num + 1  # a quoted value may span lines: the next record begins here
    except csv.Error as error:
        wrong(path, line, f"not CSV: {error}")
    except UnicodeDecodeError:
        _not_utf8(path)
    except OSError as error:
        _unreadable(path, error)


def read_json_lines(path: Path) -> Iterator[Row]:
    """Each line as the object that it holds."""
    decode = msgspec.json.Decoder().decode
    line = 0
    try:
        with path.open("rb") as file:
            for line, text in enumerate(file, 1):
                stripped = (text.removeprefix(codecs.BOM_UTF8) if line == 1 else text).strip()
                if not stripped:
                    continue
                row = decode(stripped)
                if not isinstance(row, dict):
                    wrong(path, line, f"expected an object, got {quoted(_text(stripped))}")
                yield row
    except UnicodeDecodeError:
        _not_utf8(path)
    except msgspec.DecodeError as error:
        reason = str(error).removeprefix("JSON is malformed: ")
        wrong(path, line, f"not JSON: {reason}", hint="JSON Lines has one whole object on each line")
    except OSError as error:
        _unreadable(path, error)


def wrong(path: Path, line: int, text: str, *, hint: str | None = None) -> NoReturn:
    """A mistake in a data file, in its place."""
    raise UsageError(f"{shown(path)}:{line}: {text}", hint=hint)


def shown(path: Path) -> str:
    """A path as short as it is clear: from the current folder where it lies below it."""
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def _columns(path: Path, line: int, names: Sequence[str], delimiter: str) -> list[str]:
    seen: set[str] = set()
    for number, name in enumerate(names, 1):
        if not name.strip():
            wrong(path, line, f"column {number} of the header has no name")
        if name in seen:
            wrong(path, line, f"the header has the column {quoted(name)} twice")
        seen.add(name)
    if len(names) == 1 and delimiter == "," and ";" in names[0]:
        wrong(path, line, "the columns are parted by ;", hint='csv_rows(…, delimiter=";")')
    return list(names)


def _text(line: bytes) -> str:
    return line.decode(errors="replace")


def _not_utf8(path: Path) -> NoReturn:
    """Look again for the line: text is decoded in pieces, so the error does not know it."""
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                line.decode()
            except UnicodeDecodeError as error:
                byte = line[error.start]
                wrong(
                    path,
                    number,
                    f"not UTF-8: byte 0x{byte:02x} in column {error.start + 1}",
                    hint="save the file as UTF-8",
                )
    raise UsageError(f"{shown(path)}: changed while it was read")


def _unreadable(path: Path, error: OSError) -> NoReturn:
    raise UsageError(f"{shown(path)} cannot be read: {error.strerror or error}") from None
