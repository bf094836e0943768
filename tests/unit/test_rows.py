"""Rows of CSV and JSON Lines files: what is read, and what is said with file and line where it cannot be."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadgen.errors import UsageError
from loadgen.rows import read_csv, read_json_lines

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("content", "rows"),
    [
        (b"name,age\nann,7\nbob,8\n", [{"name": "ann", "age": "7"}, {"name": "bob", "age": "8"}]),
        (b"\xef\xbb\xbfname\r\nann\r\n", [{"name": "ann"}]),  # as a spreadsheet writes it
        (b"name\n\nann\n\n", [{"name": "ann"}]),
        (b'a,b\n"x\ny","say ""hi"""\n', [{"a": "x\ny", "b": 'say "hi"'}]),
        ("a\nö\n".encode(), [{"a": "ö"}]),
        (b"a,b\n1,\n", [{"a": "1", "b": ""}]),
        (b"", []),
        (b"a,b\n", []),
    ],
)
def test_csv_is_read(tmp_path: Path, content: bytes, rows: list[dict[str, str]]) -> None:
    path = tmp_path / "users.csv"
    path.write_bytes(content)
    assert list(read_csv(path)) == rows


def test_another_delimiter_is_read(tmp_path: Path) -> None:
    path = tmp_path / "users.csv"
    path.write_bytes(b"a;b\n1;2\n")
    assert list(read_csv(path, ";")) == [{"a": "1", "b": "2"}]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a,b\n1,2\n3\n", "users.csv:3: 1 value where the header has 2"),
        (b'a,b\n"1\n\n2",3\n4,5,6\n', "users.csv:5: 3 values where the header has 2"),
        (b"a,b,a\n1,2,3\n", 'users.csv:1: the header has the column "a" twice'),
        (b"\na,,b\n", "users.csv:2: column 2 of the header has no name"),
        (b'a\n"1\n', "users.csv:2: not CSV: unexpected end of data"),
        (b'a\n1\n"2"x\n', "users.csv:3: not CSV: ',' expected after '\"'"),
        (b"a\n1\nM\xfcller\n", "users.csv:3: not UTF-8: byte 0xfc in column 2"),
        (b"a;b\n1;2\n", "users.csv:1: the columns are parted by ;"),
    ],
)
def test_what_is_wrong_in_a_csv_file_is_said_with_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "users.csv"
    path.write_bytes(content)
    with pytest.raises(UsageError) as caught:
        list(read_csv(path))
    assert caught.value.message == message


@pytest.mark.parametrize(
    ("content", "rows"),
    [
        (b'{"a": 1}\n{"a": [2, null]}', [{"a": 1}, {"a": [2, None]}]),
        (b'\xef\xbb\xbf{"a": 1}\r\n\r\n{}\r\n', [{"a": 1}, {}]),
        (b"", []),
    ],
)
def test_json_lines_are_read(tmp_path: Path, content: bytes, rows: list[dict[str, object]]) -> None:
    path = tmp_path / "orders.jsonl"
    path.write_bytes(content)
    assert list(read_json_lines(path)) == rows


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"a": 1}\n{"a": \n', "orders.jsonl:2: not JSON: Input data was truncated"),
        (b'{"a": 1} {"a": 2}\n', "orders.jsonl:1: not JSON: trailing characters (byte 10)"),
        (b'{}\n\n[{"a": 1}]\n', 'orders.jsonl:3: expected an object, got "[{"a": 1}]"'),
        (b'{}\n{"a": "M\xfcller"}\n', "orders.jsonl:2: not UTF-8: byte 0xfc in column 9"),
    ],
)
def test_what_is_wrong_in_json_lines_is_said_with_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "orders.jsonl"
    path.write_bytes(content)
    with pytest.raises(UsageError) as caught:
        list(read_json_lines(path))
    assert caught.value.message == message


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    for read in (read_csv, read_json_lines):
        with pytest.raises(UsageError, match="missing cannot be read: No such file or directory"):
            list(read(tmp_path / "missing"))
        with pytest.raises(UsageError, match="cannot be read: Is a directory"):
            list(read(tmp_path))


_TEXT = st.text(st.characters(codec="utf-8"), max_size=8)


@given(st.lists(st.dictionaries(_TEXT, st.integers() | _TEXT | st.none(), max_size=4)))
def test_what_json_writes_is_read_back(rows: list[dict[str, object]]) -> None:
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.jsonl"
        path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
        assert list(read_json_lines(path)) == rows


def test_rows_come_one_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "users.csv"
    path.write_bytes(b"a\n1\n2,3\n")  # the mistake is further down
    assert next(read_csv(path)) == {"a": "1"}
