"""What an Artillery script has besides its flows: variables, and rows of files."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from loadgen.convert.artillery.values import RESERVED, Names
from loadgen.convert.draft import Block, Call, Draft, Line, constant_name
from loadgen.convert.secrets import is_secret
from loadgen.convert.source import Code, Invoke, quoted
from loadgen.convert.writing import identifier


class Data:
    """Names with what stands for them: constants of the module, and what is drawn for each iteration."""

    def __init__(self, config: Mapping[str, Any], folder: Path, draft: Draft) -> None:
        self._draft = draft
        self._folder = folder
        self.known: dict[str, str] = {"target": quoted(str(config.get("target") or ""))}
        self._drawn: dict[str, tuple[str, str]] = {}  # a local variable, and how it is drawn
        self._rows: dict[str, str] = {}  # of local variables, how each row is drawn
        self._numbers: set[str] = set()
        given = config.get("payload") or []
        for spec in given if isinstance(given, list) else [given]:
            self._read_payload(spec)
        variables = config.get("variables") or {}
        for name, value in variables.items() if isinstance(variables, Mapping) else ():
            self._read_variable(str(name), value)

    @property
    def numbers(self) -> frozenset[str]:
        """Columns that hold nothing else."""
        return frozenset(self._numbers)

    def names(self) -> dict[str, str]:
        """What stands for them within an iteration."""
        return {**self.known, **{name: local for name, (local, _) in self._drawn.items()}}

    def drawn_by(self, names: Names) -> list[Call | Line | Block]:
        """What each iteration begins with: no cookies, and what is drawn for it."""
        begin: list[Call | Line | Block] = [Line("", Invoke("user.cookies.clear"))]
        for row, code in self._rows.items():
            if any(used.startswith(f"{row}[") for used in names.used):
                begin.append(Line(f"{row} = ", Code(code)))
        for local, code in self._drawn.values():
            if local in names.used:
                begin.append(Line(f"{local} = ", Code(code)))
        if names.needs_uuid:
            self._draft.modules.add("uuid")
            made = Code("uuid.UUID(int=user.rng.getrandbits(128), version=4)")
            begin.append(Line("visitor = ", made))
        return begin

    def _read_variable(self, name: str, value: object) -> None:
        text = value if isinstance(value, str) else str(value) if isinstance(value, int) else ""
        if is_secret(name, text):
            self.known[name] = self._draft.secret(name, text).text
            return
        node = Names(self._draft, dict(self.known)).value(value)
        constant = self._draft.constant(name, node).text
        if isinstance(value, list):
            local = identifier(name, set(RESERVED), instead="{}_")
            self._drawn[name] = (local, f"user.rng.choice({constant})")
        self.known[name] = constant

    def _read_payload(self, spec: Any) -> None:
        if not isinstance(spec, Mapping) or not isinstance(spec.get("path"), str) or not spec.get("fields"):
            self._draft.note("config.payload: what has no path and fields is left out")
            return
        path, fields = str(spec["path"]).removeprefix("./"), [str(name) for name in spec["fields"]]
        row = f"{constant_name(Path(path).stem).lower()}_row"
        try:
            text = (self._folder / path).read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError):
            text = ""
            self._draft.note(f"{path} could not be read: its first line must be {','.join(fields)}")
        delimiter = str(spec.get("delimiter") or ",")
        table = [line for line in csv.reader(text.splitlines(), delimiter=delimiter) if line]
        has_header = not text or (spec.get("skipHeader") is True and table[:1] == [fields])
        if spec.get("loadAll") and spec.get("name"):
            self._draft.note(f"{path}: loadAll is left out")
            return
        for index, name in enumerate(fields):
            column = [line[index] for line in table[bool(spec.get("skipHeader")) :] if index < len(line)]
            if column and all(re.fullmatch(r"\d+", cell) for cell in column) and spec.get("cast", True):
                self._numbers.add(name)
            self.known[name] = f"{row}[{quoted(name)}]"
        self._draft.note(f"the file {path} is expected there, seen from the script's own folder")
        self._read_rows(path, fields, spec, has_header=has_header)

    def _read_rows(self, path: str, fields: list[str], spec: Mapping[str, Any], *, has_header: bool) -> None:
        """A feed where a header names the columns; loadgen's own takes no other file."""
        constant = constant_name(Path(path).stem)
        row = f"{constant.lower()}_row"
        delimiter = str(spec.get("delimiter") or ",")
        sequence = spec.get("order") == "sequence"
        more = f", delimiter={quoted(delimiter)}" if delimiter != "," else ""
        if has_header:
            self._draft.names.add("csv_rows")
            deal = "" if sequence else ', deal="random"'
            self._draft.constants[constant.lower()] = Code(f"csv_rows({quoted(path)}{deal}{more})")
            self._rows[row] = f"{constant.lower()}.row(user)"
            return
        self._draft.modules |= {"csv", "pathlib"}
        self._draft.constants["FOLDER"] = Code("pathlib.Path(__file__).parent")
        opened = f"(FOLDER / {quoted(path)}).read_text().splitlines()"
        skipped = "[1:]" if spec.get("skipHeader") else ""
        self._draft.constants[f"{constant}_LINES"] = Code(f"{opened}{skipped}")
        named = (("delimiter", delimiter),) if delimiter != "," else ()
        listed = Invoke("list", (Invoke("csv.DictReader", (Code(f"{constant}_LINES"), fields), named),))
        if sequence:
            self._draft.modules.add("itertools")
            self._draft.constants[constant] = Invoke("itertools.cycle", (listed,))
            self._rows[row] = f"next({constant})"
        else:
            self._draft.constants[constant] = listed
            self._rows[row] = f"user.rng.choice({constant})"
