"""One JavaScript engine: modules, timers, jobs of promises. What it calls here never raises.

The engine has no clock and no files: timers are the loop's, modules are found in files.py. Everything crosses
as text or numbers, and lines of all files are numbered through, so that a place in a trace names its file.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import os
import platform
import re
import secrets
import sys
from bisect import bisect_right
from collections.abc import Callable
from pathlib import Path
from typing import Any

from loadgen.errors import UsageError
from loadgen.importers.artillery.javascript import files, modules

HERE = Path(__file__).parent
MEMORY_BYTES = 256 << 20
# A worker's main thread has 8 MiB of stack; the engine must find its end before the thread does.
STACK_BYTES = 4 << 20
_MODULES = "exports, require, module, __filename, __dirname, $links"
_PLACE = re.compile(r"<input>:(\d+)")

Emit = Callable[[str, str, float], None]


class JavaScriptError(Exception):
    """What JavaScript threw, with the place in the user's own file."""


class Runtime:
    """An engine with what Node gives its modules, and with the functions of one processor."""

    def __init__(self, script: Path) -> None:
        self._engine, self.errors = _new_engine()
        self._script = script
        self._timers: dict[int, asyncio.TimerHandle] = {}
        self._starts, self._names = [0], ["loadgen"]  # of files: at which line each begins
        self._next_line = 1
        self.asking = 0  # the call that is being made
        self.settled: dict[int, str] = {}  # what it has come to, where that was not at once
        self.waiting: dict[int, asyncio.Future[str]] = {}
        self.early: list[tuple[int, float]] = []  # timers that wait for a loop
        self.emit: Emit = _nobody
        host = self._host()
        for name, function in host.items():
            self._engine.add_callable(f"${name}", function)
        listed = ", ".join(f"{name}: ${name}" for name in host)
        for ours in (
            f"var $host = {{ {listed} }}",
            f"var $loader = ({_ours('modules.js')})($host)",
            f"({_ours('globals.js')})($host)",
            f"var $hooks = ({_ours('hooks.js')})($host)",
        ):
            self._engine.eval(self._numbered(ours, "loadgen"))
        self._fire = self._engine.eval("$fire")
        self.call = self._engine.eval("$hooks.call")
        self.share = self._engine.eval("$hooks.share")
        self.forget = self._engine.eval("$hooks.forget")
        self.count = self._engine.eval("$hooks.count")

    def load(self, path: Path) -> list[str]:
        """Runs the processor and all that it requires; the names of the functions that it exports."""
        self.run(self._engine.eval("$loader.begin"), str(path), str(path.parent))
        self.pump()
        names = self.run(self._engine.eval("() => $hooks.adopt($loader.end())"))
        return [name for name in names.split("\n") if name]

    def run(self, function: Callable[..., Any], *arguments: object) -> Any:
        """Calls a function of the engine, and lets the jobs that it leaves be done."""
        try:
            return function(*arguments)
        except self.errors as error:
            raise JavaScriptError(self.placed(str(error))) from None

    def pump(self) -> None:
        """Does what promises have left to do."""
        engine = self._engine
        try:
            while engine.execute_pending_job():
                pass
        except self.errors as error:
            self._print("error", f"in a promise: {error}")

    def placed(self, text: str) -> str:
        """An error's text with the user's own file and line, and without places of ours."""
        lines = text.strip().split("\n")
        trace = [self._named(line) for line in lines[1:]]
        own = [line for line in trace if "loadgen:" not in line and "native" not in line]
        place = re.search(r"\(?([^\s()]+:\d+)", own[0]) if own else None
        first = self._named(lines[0])
        return first if place is None or place[1] in first else f"{first} ({place[1]})"

    @property
    def memory_bytes(self) -> int:
        """What it holds."""
        return int(self._engine.memory()["memory_used_size"])

    @property
    def has_timers(self) -> bool:
        """Whether something is still to come by itself."""
        return bool(self._timers)

    def begin_timers(self) -> None:
        """Those that were set while it was loaded, when there was no loop."""
        early, self.early = self.early, []
        for number, milliseconds in early:
            self._set_timer(number, milliseconds)

    def _host(self) -> dict[str, Callable[..., Any]]:
        return {
            "timer": self._set_timer,
            "clear": self._clear_timer,
            "print": self._print,
            "facts": self._facts,
            "resolve": files.resolve,
            "readText": _read_text,
            "compile": self._compile,
            "ownModule": self._own_module,
            "files": files.on_files,
            "digest": _digest,
            "hashes": lambda: "\n".join(sorted(hashlib.algorithms_guaranteed)),
            "random": lambda size: secrets.token_hex(int(size)),
            "emit": self._emit,
            "settle": self._settle,
        }

    def _set_timer(self, number: int, milliseconds: float) -> None:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # while it is loaded there is none
            self.early.append((number, milliseconds))
            return
        self._timers[number] = loop.call_later(milliseconds / 1e3, self._timer_is_due, number)

    def _timer_is_due(self, number: int) -> None:
        del self._timers[number]
        try:
            self._fire(number)
        except self.errors as error:
            self._print("error", f"in a timer: {self.placed(str(error))}")
        self.pump()

    def _clear_timer(self, number: int) -> None:
        timer = self._timers.pop(number, None)
        if timer is not None:
            timer.cancel()

    def _emit(self, kind: str, name: str, value: float) -> None:
        self.emit(kind, name, value)

    def _settle(self, ticket: int, answer: str) -> None:
        future = self.waiting.get(ticket)
        if future is not None and not future.done():
            future.set_result(answer)
        elif ticket == self.asking:
            self.settled[ticket] = answer  # of others nobody wants to know any more

    def _print(self, _level: str, text: str) -> None:
        print(text, file=sys.stderr)  # noqa: T201 - what a script prints

    def _facts(self) -> str:
        return json.dumps(
            {
                "env": dict(os.environ),
                "script": str(self._script),
                "folder": str(Path.cwd()),
                "arch": {"x86_64": "x64", "aarch64": "arm64"}.get(platform.machine(), platform.machine()),
                "pid": os.getpid(),
                "host": platform.node(),
                "release": platform.release(),
                "cores": os.cpu_count() or 1,
            }
        )

    def _compile(self, path: str) -> object:
        """The function that a file is; where it cannot be had, a text that says why."""
        try:
            source = Path(path).read_text(encoding="utf-8").removeprefix("\ufeff")
        except (OSError, UnicodeDecodeError) as error:
            return f"{path}: {getattr(error, 'strerror', None) or error}"
        source = re.sub(r"\A#!", "//", source)
        is_module = modules.is_module(path, source) or (
            path.endswith(".js") and files.is_module_package(Path(path))
        )
        body = modules.plain(source) if is_module else modules.with_dynamic_imports(source)
        name = os.path.relpath(path, self._script.parent)
        return self._function(f"({'async ' if is_module else ''}function ({_MODULES}) {{ {body}\n}})", name)

    def _own_module(self, name: str) -> object:
        text = (files.HERE / f"{name}.js").read_text(encoding="utf-8")
        return self._function(f"(function (module, exports, require, $host) {{ {text}\n}})", "loadgen")

    def _function(self, source: str, name: str) -> object:
        try:
            return self._engine.eval(self._numbered(source, name))
        except self.errors as error:
            return self.placed(str(error).removeprefix("SyntaxError: "))

    def _numbered(self, source: str, name: str) -> str:
        """The source moved down to lines that no other has: the engine knows lines, and no files."""
        start = self._next_line
        self._starts.append(start)
        self._names.append(name)
        self._next_line += source.count("\n") + 1
        return "\n" * (start - 1) + source

    def _named(self, line: str) -> str:
        def name(found: re.Match[str]) -> str:
            at = int(found[1])
            index = bisect_right(self._starts, at) - 1
            return f"{self._names[index]}:{at - self._starts[index] + 1}"

        return _PLACE.sub(name, line)


def _new_engine() -> tuple[Any, tuple[type[Exception], ...]]:
    """An engine, and what it raises."""
    # The package around it starts a thread of its own, which nothing here needs.
    try:
        import _quickjs
    except ImportError:
        raise UsageError(
            "the processor is JavaScript, and no engine for it is installed", hint="pip install 'loadgen[js]'"
        ) from None
    engine = _quickjs.Context()
    engine.set_memory_limit(MEMORY_BYTES)
    engine.set_max_stack_size(STACK_BYTES)
    return engine, (_quickjs.JSException, _quickjs.StackOverflow)


def _nobody(_kind: str, _name: str, _value: float) -> None:
    """While it is loaded there is nobody to count for."""


def _ours(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")


def _read_text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return "null"


def _digest(algorithm: str, key: str | None, data: str) -> str | None:
    name = algorithm.lower().replace("sha-", "sha").replace("rsa-", "")
    try:
        if key is None:
            return hashlib.new(name, bytes.fromhex(data), usedforsecurity=False).hexdigest()
        return hmac.new(bytes.fromhex(key), bytes.fromhex(data), name).hexdigest()
    except (ValueError, TypeError):
        return None
