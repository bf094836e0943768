"""A file of subscriptions: JSON Lines, each with what to send and, where they differ, of which kind it is.

{"kind": "simple", "send": {"op": "subscribe", "channel": "blocks"}}
{"kind": "complex", "send": {"op": "subscribe", "channel": "blocks", "filter": {"or": []}}}
{"send": "SUBSCRIBE blocks {{connection}}"}
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import msgspec
from msgspec import Struct

from loadgen.errors import UsageError
from loadgen.rows import read_json_lines, shown
from loadgen.units import quoted

MOST_KINDS = 100


class Subscription(Struct, frozen=True):
    """One of them."""

    text: str
    label: str


def read_subscriptions(path: str) -> list[Subscription]:
    """All of a file. Raises UsageError with the row that is wrong."""
    full = Path(path).expanduser()
    try:
        status = full.stat()
    except OSError as error:
        raise UsageError(f"{shown(full)} cannot be read: {error.strerror or error}") from None
    return _read(full, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=2)  # a plan is compiled several times on its way to a run
def _read(path: Path, _changed_ns: int, _size: int) -> list[Subscription]:
    found = []
    for number, row in enumerate(read_json_lines(path), 1):
        place = f"{shown(path)}: row {number}"
        unknown = [name for name in row if name not in ("kind", "send")]
        if unknown or not isinstance(row.get("send"), (str, dict, list)):
            what = f"{quoted(unknown[0])} is not known" if unknown else "send is no text and no object"
            raise UsageError(f'{place}: {what}: expected {{"kind": "simple", "send": {{…}}}}')
        kind = row.get("kind", "")
        if not isinstance(kind, str):
            raise UsageError(f"{place}: expected a text for kind, got {quoted(kind)}")
        send = row["send"]
        text = send if isinstance(send, str) else msgspec.json.encode(send).decode()
        found.append(Subscription(text, f"subscribe {kind}".strip()))
    if not found:
        raise UsageError(f"{shown(path)} has no subscriptions")
    if len({one.label for one in found}) > MOST_KINDS:
        raise UsageError(f"{shown(path)}: expected at most {MOST_KINDS} kinds")
    return found
