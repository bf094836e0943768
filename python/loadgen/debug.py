"""`loadgen run --debug`: one user, one iteration of each scenario, everything printed. It makes no load."""

from __future__ import annotations

import dataclasses
import linecache
import traceback
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import click
import msgspec

from loadgen.discreet import REDACTED, SECRET
from loadgen.engine_plan import EnginePlan
from loadgen.errors import ExitCode
from loadgen.plan import Plan
from loadgen.units import counted, format_bytes, format_ns, printable

if TYPE_CHECKING:
    from loadgen.script import Script

MAX_LINES = 40
MAX_CHARACTERS = 2000
# Of a response that is read while it comes.
MAX_PIECES = 10
_INDENT = "  "


class Answer(Protocol):
    """What is shown of a response."""

    @property
    def status(self) -> int: ...
    @property
    def error(self) -> str | None: ...
    @property
    def content(self) -> bytes: ...
    @property
    def elapsed(self) -> float: ...


class Exchange(Protocol):
    """A request with what came of it, as the engine hands it to an observer."""

    @property
    def method(self) -> str: ...
    @property
    def url(self) -> str: ...
    @property
    def request_headers(self) -> Sequence[tuple[str, str]]: ...
    @property
    def request_body(self) -> bytes: ...
    @property
    def response_headers(self) -> Sequence[tuple[str, str]]: ...
    @property
    def response(self) -> Answer: ...


class Printer:
    """An observer that prints what it sees, as it comes."""

    def __init__(self, path: str) -> None:
        self._path = path
        self.exchanges = 0
        self.answered = 0
        self.checks = {True: 0, False: 0}
        self.errors = 0
        # Of each stream under way: its pieces, and their bytes.
        self._read: dict[int, tuple[int, int]] = {}

    def request(self, exchange: Exchange) -> None:
        """An attempt has ended."""
        self.exchanges += 1
        self.answered += exchange.response.status != 0
        _print([f"{exchange.method} {exchange.url}"])
        _print(message_lines(">", exchange.request_headers, exchange.request_body))
        response = exchange.response
        outcome = str(response.status) if response.status else f"no answer: {response.error}"
        _print([f"< {outcome} in {format_ns(response.elapsed * 1e9)}"], _INDENT)
        try:
            content = response.content
        except ValueError as error:  # it cannot be decoded: whether that matters, the script decides
            content = f"({error})".encode()
        _print(message_lines("<", exchange.response_headers, content))

    def piece(self, exchange: Exchange, after_ns: int, piece: bytes) -> None:
        """The script has read so much of a streamed response."""
        pieces, count = self._read.get(id(exchange), (0, 0))
        self._read[id(exchange)] = pieces + 1, count + len(piece)
        if pieces < MAX_PIECES:
            _print([f"< after {format_ns(after_ns)}: {piece_line(piece)}"], _INDENT)

    def left(self, exchange: Exchange, error: str | None) -> None:
        """The script reads no more of it."""
        pieces, count = self._read.pop(id(exchange), (0, 0))
        if pieces or error:
            ending = f", broken off: {error}" if error else ""
            _print([f"< {counted(pieces, 'piece')} read, {format_bytes(count)}{ending}"], _INDENT)

    def handshake(self, url: str, status: int, elapsed: float, error: str | None) -> None:
        """A socket is open, or will not be."""
        self.exchanges += 1
        self.answered += status != 0
        outcome = f"{status or 'no answer'}: {error}" if error else str(status)
        _print([f"WS {url}", f"{_INDENT}< {outcome} in {format_ns(elapsed * 1e9)}"])

    def message(self, message: str | bytes, *, is_sent: bool) -> None:
        """A socket's: sent, or taken by the script."""
        data = message.encode() if isinstance(message, str) else message
        _print([f"{'>' if is_sent else '<'} {piece_line(data)}"], _INDENT)

    def closed(self, url: str, code: int | None, reason: str, error: str | None) -> None:
        """A socket has ended."""
        words = ["closed", str(code), printable(reason), f"({error})" if error else ""]
        _print([" ".join(["WS", url, *filter(None, words)])])

    def check(self, name: str, ok: bool) -> None:
        """The script expected something."""
        self.checks[bool(ok)] += 1
        _print([f"check {'passed' if ok else 'failed'}: {name}"])

    def error(self, error: BaseException) -> None:
        """The script raised."""
        self.errors += 1
        _print(error_lines(error, self._path))

    def summary(self) -> str:
        """What was seen, in a line."""
        parts = [counted(self.exchanges, "request")]
        parts += [
            f"{counted(count, 'check')} {'passed' if ok else 'failed'}"
            for ok, count in self.checks.items()
            if count
        ]
        return ", ".join([*parts, *([counted(self.errors, "error")] if self.errors else [])])


def debug_run(script: Script, plan: EnginePlan) -> int:
    """One iteration of each scenario that the plan runs. Returns the exit code."""
    from loadgen.testing import play  # which imports the whole engine

    share = plan.script
    assert share is not None
    # What flags say of a request holds here too; what they say of the load does not.
    given = msgspec.structs.replace(
        script.plan or Plan(),
        headers=share.headers,
        timeout=plan.timeout_ns / 1e9,
        arguments=share.arguments,
        auth=share.auth,
        follow_redirects=share.follow_redirects,
        max_redirects=share.max_redirects,
        cookies=share.cookies,
    )
    script = dataclasses.replace(script, plan=given)
    printer = Printer(share.path)
    wanted = {scenario.name for scenario in share.scenarios}
    for scenario in script.scenarios:
        if scenario.name in wanted:
            click.echo(f"{scenario.name}: one user, one iteration, against {share.base_url}")
            play(script, scenario, share.base_url, printer)
            click.echo()
    click.echo(printer.summary())
    if printer.errors:
        return ExitCode.SCRIPT_FAILED
    return ExitCode.UNREACHABLE if printer.exchanges and not printer.answered else ExitCode.PASSED


def message_lines(mark: str, headers: Iterable[tuple[str, str]], body: bytes) -> list[str]:
    """Headers and body, each line behind a mark; secrets hidden, long bodies cut."""
    lines = [f"{name}: {REDACTED if SECRET.search(name) else printable(value)}" for name, value in headers]
    if body:
        lines += ["", *body_lines(body)]
    return [f"{_INDENT}{mark} {line}".rstrip() for line in lines]


def body_lines(body: bytes) -> list[str]:
    """A body as text where it is text, and no more of it than a person reads."""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return [f"({format_bytes(len(body))}, not text)"]
    shown = text[:MAX_CHARACTERS].splitlines()[:MAX_LINES]
    lines = [printable(line) for line in shown]
    if sum(map(len, shown)) + len(shown) < len(text):
        lines.append(f"(cut; {format_bytes(len(body))} in all)")
    return lines


def piece_line(piece: bytes) -> str:
    """What came of a stream, in a line."""
    first, *others = body_lines(piece) or [""]
    return first if not others else f"{first} …"


def error_lines(error: BaseException, path: str) -> list[str]:
    """The exception, and the line of the script that it came through; never the insides of loadgen."""
    lines = [printable(line) for line in "".join(traceback.format_exception_only(error)).splitlines()]
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if frame.filename == path] or frames[-1:]
    for frame in own[-1:]:
        code = (frame.line or linecache.getline(frame.filename, frame.lineno or 0)).strip()
        lines.append(f"{_INDENT}{Path(frame.filename).name}:{frame.lineno}: {code}")
    return lines


def _print(lines: Iterable[str], indent: str = "") -> None:
    for line in lines:
        click.echo(f"{_INDENT}{indent}{line}")
