"""`config.payload`: rows of CSV files for variables. Each worker deals its own, as Artillery's do."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loadgen.importers.artillery.values import number_of

if TYPE_CHECKING:
    from loadgen.importers.artillery.flow import Compiler
    from loadgen.importers.artillery.virtual_user import VirtualUser

_KEYS = (
    "path",
    "fields",
    "order",
    "skipHeader",
    "delimiter",
    "cast",
    "skipEmptyLines",
    "loadAll",
    "name",
    "options",
)
_OPTIONS = ("delimiter", "quote", "escape", "trim", "comment", "cast", "from_line", "skip_empty_lines")


class Payload:
    """The rows of one file, dealt: at random with replacement, in sequence, or all of them to everybody."""

    def __init__(self, rows: list[list[Any]], spec: Mapping[str, Any]) -> None:
        fields = spec.get("fields") or []
        self._all = self._rows = rows
        self._fields = [str(name) for name in fields]
        self._in_sequence = spec.get("order") == "sequence"
        self._name = str(spec["name"]) if spec.get("loadAll") and "name" in spec else None
        self._is_whole = self._name is not None and spec.get("order") is None
        self._next = 0
        self._table: list[Any] = []

    def _check(self, workers: int = 1) -> None:
        """Any number of workers will do."""

    def _attach(self, worker: int, workers: int, _seed: int = 0) -> None:
        """A worker's share: where there are fewer rows than workers, they are lent."""
        mine = worker % len(self._all) if self._all else 0
        self._rows = [row for index, row in enumerate(self._all) if index % workers == mine]
        self._next = 0
        if self._is_whole:
            named = self._fields
            self._table = [dict(zip(named, row, strict=False)) for row in self._rows] if named else self._rows

    def _release(self, user: object) -> None:
        """A row is nobody's own."""

    def give(self, vu: VirtualUser) -> None:
        """Sets the variables of a new virtual user."""
        if self._is_whole:
            vu.vars[str(self._name)] = self._table
            return
        row = self._row(vu)
        if self._name is not None:
            vu.vars[self._name] = row
            return
        for name, value in zip(self._fields, row, strict=False):
            vu.vars[name] = value

    def _row(self, vu: VirtualUser) -> list[Any]:
        rows = self._rows
        if not rows:
            return []
        if self._in_sequence:
            row = rows[self._next]
            self._next = (self._next + 1) % len(rows)
            return row
        return rows[int(vu.rng.random() * len(rows))]


def read_payloads(found: Any, given_path: str | None, folder: Path, compiler: Compiler) -> list[Payload]:
    """All files of `config.payload`; `given_path` is what `--payload` said."""
    if found is None:
        return []
    specs: list[Any]
    if isinstance(found, Mapping):
        specs = [found if given_path is None else {**found, "path": str(Path(given_path).absolute())}]
    elif isinstance(found, list):
        specs = found
    else:
        compiler.wrong("config.payload", f"expected path and fields, or a list of such, got {found!r}")
        return []
    payloads = []
    for index, spec in enumerate(specs):
        place = f"config.payload[{index}]" if isinstance(found, list) else "config.payload"
        if not isinstance(spec, Mapping) or not isinstance(spec.get("path"), str):
            compiler.wrong(f"{place}.path", "expected a CSV file; or give --payload FILE")
            continue
        for key in spec:
            if key not in _KEYS:
                compiler.note(f"{place}.{key} is not known, and without effect")
        if spec.get("loadAll") and "name" not in spec:
            compiler.note(f"{place}: loadAll without a name, so nothing has its rows")
            continue
        rows = _read(folder / spec["path"], spec, place, compiler)
        payloads.append(Payload(rows, spec))
    return payloads


def _read(path: Path, spec: Mapping[str, Any], place: str, compiler: Compiler) -> list[list[Any]]:
    options = spec.get("options") or {}
    for name in options:
        if name not in _OPTIONS:
            compiler.note(f"{place}.options.{name} is not known here, and without effect")
    try:
        text = path.read_text(encoding="utf-8-sig", errors="replace")
    except OSError as error:
        compiler.wrong(f"{place}.path", f"{path} cannot be read: {error.strerror or error}")
        return []
    delimiter = str(options.get("delimiter", spec.get("delimiter") or ","))
    if len(delimiter) != 1:
        compiler.wrong(f"{place}.delimiter", f"expected one character, got {delimiter!r}")
        return []
    quote = options.get("quote", '"')
    reader = csv.reader(
        io.StringIO(text, newline=""),
        delimiter=delimiter,
        quotechar=str(quote) if quote else None,
        quoting=csv.QUOTE_MINIMAL if quote else csv.QUOTE_NONE,
    )
    first = int(options.get("from_line", 2 if spec.get("skipHeader") is True else 1))
    skips_empty = options.get("skip_empty_lines", spec.get("skipEmptyLines", True))
    casts = options.get("cast", spec.get("cast", True))
    comment, trims = options.get("comment"), options.get("trim")
    rows: list[list[Any]] = []
    width = None
    for row in reader:
        line = reader.line_num
        if line < first or (skips_empty and not row) or (comment and row and row[0].startswith(comment)):
            continue
        fields = row or [""]
        if width is None:
            width = len(fields)
        elif len(fields) != width:
            compiler.wrong(
                f"{place}.path", f"{path.name}:{line}: it has {len(fields)} fields, those before {width}"
            )
            return []
        trimmed = [field.strip() for field in fields] if trims else fields
        rows.append([_cast(field) for field in trimmed] if casts else list(trimmed))
    return rows


def _cast(field: str) -> Any:
    """A number where it looks like one: "007" is 7, and of "0x10" the 0 is read."""
    if not field.strip():
        return field
    number = number_of(field)
    if not math.isfinite(number):
        return field
    if field.strip()[:2].lower() in ("0x", "0o", "0b"):
        return 0
    return int(number) if number.is_integer() and abs(number) < 1e21 else number
