"""What sockets send, as people write it: texts, files of subscriptions, rows; and as the engine reads it."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import msgspec

from loadgen.checking import Checker
from loadgen.engine_plan import Encoding, Message
from loadgen.errors import UsageError
from loadgen.message_paths import parse_path
from loadgen.mix import read_rows, row_values
from loadgen.rows import Row, shown
from loadgen.subscriptions import read_subscriptions
from loadgen.templates import GENERATED, OF_SOCKETS, Names, around_values

# So many different messages have labels of their own.
MOST_SEPARATE = 20
_FILLED = re.compile(r"\{\{(?:reply\.)?\d+\}\}")
_REPLY = re.compile(r"\{\{[ \t]*reply[.\[]")
_LONE = re.compile("[\ud800-\udfff]")  # what is left of bytes that were no UTF-8


class Replies(Names):
    """The same names, and `reply.PATH`, what a subscription's acknowledgement has there; notes the paths."""

    def __init__(self, names: Names) -> None:
        super().__init__(names.columns, names.generated)
        self.used = names.used
        self.paths: list[str] = []

    def value(self, name: str) -> str:
        """What the engine's plan has between the braces."""
        if name in self.columns or not name.startswith(("reply.", "reply[")):
            return super().value(name)
        path = parse_path(name.removeprefix("reply").removeprefix("."))
        if path not in self.paths:
            self.paths.append(path)
        return f"reply.{self.paths.index(path)}"


def names_of(rows: list[Row]) -> Names:
    """What may stand in all messages."""
    return Names(list(dict.fromkeys(name for row in rows[:1] for name in row)), [*GENERATED, *OF_SOCKETS])


def refers_to_replies(text: str | bytes) -> bool:
    """Whether it needs an acknowledgement."""
    return _REPLY.search(text if isinstance(text, str) else text.decode(errors="replace")) is not None


def messages_of(field: str, texts: Sequence[str | bytes], names: Names, check: Checker) -> list[Message]:
    """Few have a label each; more have one together."""
    found = []
    for index, text in enumerate(texts):
        label = field if len(texts) == 1 or len(texts) > MOST_SEPARATE else f"{field} {index + 1}"
        message = check(f"sockets.{field}[{index}]", partial(_message, label=label, names=names), text)
        if message is not None:
            found.append(message)
    return found


def subscriptions_of(path: str | None, names: Names, check: Checker) -> list[Message]:
    """Those of a file."""
    if path is None:
        return []
    place = "sockets.subscriptions"
    try:
        wanted = read_subscriptions(path)
    except UsageError as error:
        check.wrong(place, f"{error.message}{f' ({error.hint})' if error.hint else ''}")
        return []
    read = (check(place, partial(_message, label=one.label, names=names), one.text) for one in wanted)
    return [message for message in read if message is not None]


def _message(text: str | bytes, label: str, names: Names) -> Message:
    if isinstance(text, str) and _LONE.search(text):
        raise ValueError("is not UTF-8: send it as bytes")
    if isinstance(text, bytes):
        body = names.number_body(text)
        encoding = _encoding(body.decode(errors="replace"))
        return Message(b64encode(body).decode("ascii"), label, binary=True, encoding=encoding)
    numbered = names.number(text)
    return Message(numbered, label, encoding=_encoding(numbered))


def _encoding(text: str) -> Encoding:
    """As within JSON where that is what it is, with any values; else as they are in the row."""
    try:
        found = msgspec.json.decode(around_values(text, str, instead="0"))
    except msgspec.DecodeError:
        found = None
    is_json = isinstance(found, (dict, list)) or not _FILLED.search(text)
    return "json" if is_json else "raw"


def rows_of(data: str | None, check: Checker) -> list[Row]:
    """Those of --data."""
    if data is None:
        return []
    try:
        return read_rows(data)
    except UsageError as error:
        check.wrong("data", f"{error.message}{f' ({error.hint})' if error.hint else ''}")
        return []


def values_of(rows: list[Row], names: Names, data: str | None, check: Checker) -> list[list[str]]:
    """Of the columns that are used."""
    if data is None or not rows or check.mistakes:
        return []
    if not names.used:
        check.wrong("data", "no {{name}} of its columns stands in what is sent")
        return []
    try:
        return row_values(rows, names.used)
    except ValueError as error:
        check.wrong("data", f"{shown(Path(data))}: {error}")
        return []
