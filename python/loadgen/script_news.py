"""What scripts tell while they run: exceptions by place, calls that blocked, whatever else. Only data.

Workers send one `event {json}` line for each; what is in it was made by the user's code, so it is cut, made
printable and bounded in number before anybody sees it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import PurePath
from typing import Any, get_args

import msgspec

from loadgen.progress import EventKind, ScriptEventKind
from loadgen.result import BlockedCall, FailureGroup, ScriptErrorGroup
from loadgen.units import format_ns, printable

MAX_GROUPS = 200
MAX_FAILURES = 2000
MAX_EVENTS = 1000  # told to those who watch; counting goes on
MAX_TEXT = 300
_KINDS = frozenset(get_args(ScriptEventKind))
MAX_OUTPUT = 200  # lines that it printed
# How else to do what blocks, by the call in its line.
_REMEDIES = {
    r"\btime\.sleep\b|(?<![\w.])sleep(?=\()": "use await user.pause()",
    r"\brequests\.\w+|\bhttpx\.\w+|\burllib\.[\w.]+|\burlopen|\bhttp\.client\.\w+": "use await user.get()",
    r"\bsubprocess\.\w+|\bos\.system": "use asyncio.create_subprocess_exec()",
}
_ANY_REMEDY = "await an async call, or asyncio.to_thread()"
# In a Locust file, whose users wait without an await.
_LOCUST_REMEDIES = {r"\brequests\.\w+|\bhttpx\.\w+|\burllib\.[\w.]+|\burlopen": "use self.client"}
_ANY_LOCUST_REMEDY = "run it beside: gevent.get_hub().threadpool.apply(function, arguments)"
LONGEST_CODE = 40
_REST = "further errors, of more kinds than are listed"


class ScriptNews:
    """Everything that workers told about their scripts, summed. `tell` hears what is new, once."""

    def __init__(self, tell: Callable[[EventKind, str], None]) -> None:
        self._tell_all = tell
        self._told: set[tuple[str, str]] = set()
        self._events_left = MAX_EVENTS
        self._output_left = MAX_OUTPUT
        self._errors: dict[tuple[str, str, str, int], ScriptErrorGroup] = {}
        self._blocked: dict[tuple[str, str, int], BlockedCall] = {}
        self._failures: dict[tuple[str, str, str], FailureGroup] = {}
        self.stop: str | None = None  # why the script itself asked to stop
        self.end: str | None = None  # why it has enough, which is no mishap
        self.exit_code: int | None = None  # the one that it wants

    @property
    def errors(self) -> list[ScriptErrorGroup]:
        """Exceptions of iterations, the commonest first."""
        return sorted(self._errors.values(), key=lambda group: -group.count)

    @property
    def failures(self) -> list[FailureGroup]:
        """Requests that failed, in the script's words, the commonest first."""
        return sorted(self._failures.values(), key=lambda group: -group.count)

    @property
    def blocked(self) -> list[BlockedCall]:
        """Calls that held everything up, the longest first."""
        return sorted(self._blocked.values(), key=lambda call: -call.longest_ms)

    def hear(self, line: str) -> None:
        """One event, as it came. What is no event is shown as it is."""
        try:
            event = msgspec.json.decode(line)
        except msgspec.DecodeError:
            event = None
        if not isinstance(event, dict):
            self._tell("script", _text(line))
            return
        kind = event.get("kind")
        if kind == "script_error":
            self._add_error(event)
        elif kind == "blocked":
            self._add_blocked(event)
        elif kind == "failure":
            self._add_failure(event)
        elif kind == "exit_code":
            self.exit_code = max(_number(event.get("code")), self.exit_code or 0)
        else:
            if kind == "script_end" and self.end is None:
                self.end = _text(event.get("text")) or "the script has enough"
            if kind == "script_stop" and self.stop is None:
                self.stop = _text(event.get("text")) or "the script asked to stop"
            self._tell_other(str(kind), event)

    def output(self, line: str) -> None:
        """What a script printed."""
        self._output_left -= 1
        if self._output_left >= 0:
            self._tell_all("script", _text(line))
        elif self._output_left == -1:
            self._tell_all("script", "the script prints more than is shown here")

    def _add_error(self, event: Mapping[str, Any]) -> None:
        found = ScriptErrorGroup(
            scenario=_text(event.get("scenario")),
            error=_text(event.get("error")),
            file=_text(event.get("file")),
            line=_number(event.get("line")),
            code=_text(event.get("code")),
            count=max(_number(event.get("count"), 1), 0),
        )
        key = (found.scenario, found.error, found.file, found.line)
        if key not in self._errors and len(self._errors) >= MAX_GROUPS:
            found = ScriptErrorGroup(scenario="", error=_REST, file="", line=0, code="", count=found.count)
            key = ("", _REST, "", 0)
        known = self._errors.get(key)
        if known is None:
            self._errors[key] = found
            self._tell("script_error", describe_error(found))
        else:
            self._errors[key] = msgspec.structs.replace(known, count=known.count + found.count)

    def _add_failure(self, event: Mapping[str, Any]) -> None:
        found = FailureGroup(
            method=_text(event.get("method")),
            name=_text(event.get("name")),
            error=_text(event.get("error")),
            count=max(_number(event.get("count"), 1), 0),
            first_seen=_length(event.get("first")),
            last_seen=_length(event.get("last")),
        )
        key = (found.method, found.name, found.error)
        known = self._failures.get(key)
        if known is not None:
            self._failures[key] = msgspec.structs.replace(
                known,
                count=known.count + found.count,
                first_seen=min(known.first_seen, found.first_seen),
                last_seen=max(known.last_seen, found.last_seen),
            )
        elif len(self._failures) < MAX_FAILURES:
            self._failures[key] = found

    def _add_blocked(self, event: Mapping[str, Any]) -> None:
        found = BlockedCall(
            text=_text(event.get("text")) or "a call",
            file=_text(event.get("file")),
            line=_number(event.get("line")),
            code=_text(event.get("code")),
            tool=_text(event.get("tool")),
            longest_ms=_length(event.get("longest_ms")),
            count=max(_number(event.get("count"), 1), 0),
        )
        key = (found.text, found.file, found.line)
        known = self._blocked.get(key)
        if known is not None:
            self._blocked[key] = msgspec.structs.replace(
                known,
                count=known.count + found.count,
                longest_ms=max(known.longest_ms, found.longest_ms),
            )
        elif len(self._blocked) < MAX_GROUPS:
            self._blocked[key] = found
            self._tell("blocked", f"{describe_blocked(found)} ({format_ns(found.longest_ms * 1e6)})")

    def _tell_other(self, kind: str, event: Mapping[str, Any]) -> None:
        text = _text(event.get("text")) or _text(kind)
        if event.get("file"):
            text += f" ({place_of(_text(event['file']), _number(event.get('line')))})"
        if kind not in _KINDS:
            kind, text = "script", f"{_text(kind)}: {text}"
        # Workers find out the same things; but a breaker goes through its states again and again.
        if kind == "breaker" or (kind, text) not in self._told:
            if len(self._told) < MAX_EVENTS:
                self._told.add((kind, text))
            self._tell(kind, text)  # type: ignore[arg-type]

    def _tell(self, kind: EventKind, text: str) -> None:
        self._events_left -= 1
        if self._events_left >= 0:
            self._tell_all(kind, text)
        elif self._events_left == -1:
            self._tell_all("script", "the script has more to tell than is listed here")


def describe_error(group: ScriptErrorGroup) -> str:
    """`browse: KeyError: 'id' (scenario.py:12)`."""
    scenario = f"{group.scenario}: " if group.scenario else ""
    place = f" ({place_of(group.file, group.line)})" if group.file else ""
    return f"{scenario}{group.error}{place}"


def describe_blocked(call: BlockedCall) -> str:
    """What it did, and what to do instead."""
    remedies = _LOCUST_REMEDIES if call.tool == "locust" else _REMEDIES
    what, remedy = call.text, _ANY_LOCUST_REMEDY if call.tool == "locust" else _ANY_REMEDY
    if len(what) > LONGEST_CODE:
        what = what[: LONGEST_CODE - 3] + "..."
    for pattern, words in remedies.items():
        if found := re.search(pattern, call.text):
            what, remedy = found[0], words
            break
    place = f" in {place_of(call.file, call.line)}" if call.file else ""
    return f"{what}{place} blocks every user of the worker; {remedy}"


def place_of(file: str, line: int) -> str:
    """`scenario.py:12`: the file's own name, because paths are long and scripts few."""
    return f"{PurePath(file).name}:{line}"


def _text(value: object) -> str:
    text = "" if value is None else printable(" ".join(str(value).split()))
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 3] + "..."


def _number(value: object, default: int = 0) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else default


def _length(value: object) -> float:
    return float(value) if isinstance(value, (int, float)) and value > 0 else 0.0
