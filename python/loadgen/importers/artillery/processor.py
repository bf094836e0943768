"""`config.processor`: a file of functions that a flow calls by name, in JavaScript or in Python."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loadgen.errors import UsageError
from loadgen.importers.artillery.virtual_user import VuFailed
from loadgen.user import tell

if TYPE_CHECKING:
    from loadgen.importers.artillery.answer import Answer
    from loadgen.importers.artillery.flow import Compiler, Params, Processor
    from loadgen.importers.artillery.virtual_user import VirtualUser

# A callback that has not been called for so long, with no timer running, is taken for forgotten.
PATIENCE_S = 10.0
_KINDS = {
    "counter": "counter",
    "histogram": "histogram",
    "summary": "summary",
    "customStat": "histogram",
    "rate": "rate",
    "error": "error",
}

# The user's engine is where warnings go.
# ruff: noqa: SLF001


def load_processor(path: Path, compiler: Compiler) -> Processor:
    """The functions of a file. A UsageError says why it cannot be had."""
    patience_s = _patience(compiler.config)
    if not path.is_file():
        raise UsageError(f"config.processor: {path} does not exist")
    if path.suffix == ".py":
        from loadgen.importers.artillery.python_processor import PythonProcessor

        return PythonProcessor(path, patience_s)
    from loadgen.importers.artillery.javascript.files import typescript
    from loadgen.importers.artillery.javascript.processor import JavaScriptProcessor

    if path.suffix in (".ts", ".mts", ".cts"):
        raise UsageError(f"config.processor: {typescript(path.name)}")
    return JavaScriptProcessor(path, patience_s)


def _patience(config: Mapping[str, Any]) -> float:
    given = config.get("timeout") or (config.get("http") or {}).get("timeout")
    try:
        return float(given) if given else PATIENCE_S
    except (TypeError, ValueError):
        return PATIENCE_S


class Functions(ABC):
    """What both languages have in common: the kinds of hooks, what they count, what is told."""

    def __init__(self, path: Path, patience_s: float) -> None:
        self.path = path
        self.patience_s = patience_s
        self._told: set[str] = set()

    @abstractmethod
    def has(self, name: str) -> bool:
        """Whether there is a function of that name."""

    @abstractmethod
    async def call(
        self,
        vu: VirtualUser,
        name: str,
        kind: str,
        params: Params | None = None,
        answer: Answer | None = None,
        error: VuFailed | None = None,
    ) -> object:
        """Calls one, and waits for its end. What it changes of `params` is changed here."""

    @abstractmethod
    def if_true(self, name: str) -> Callable[[VirtualUser], object]:
        """A condition: `(vars) -> truthy`."""

    def function(self, name: str) -> Callable[[VirtualUser], Awaitable[None]]:
        """A step, or what goes before and after a scenario: `(context, ee, next)`."""

        async def function(vu: VirtualUser) -> None:
            await self.call(vu, name, "function")

        return function

    def before_request(self, name: str) -> Callable[[VirtualUser, Params], Awaitable[None]]:
        """`(requestParams, context, ee, next)`."""

        async def before_request(vu: VirtualUser, params: Params) -> None:
            await self.call(vu, name, "beforeRequest", params)

        return before_request

    def after_response(self, name: str) -> Callable[[VirtualUser, Params, Answer], Awaitable[None]]:
        """`(requestParams, response, context, ee, next)`."""

        async def after_response(vu: VirtualUser, params: Params, answer: Answer) -> None:
            await self.call(vu, name, "afterResponse", params, answer)

        return after_response

    def on_error(self, name: str) -> Callable[[VirtualUser, VuFailed, Params], Awaitable[None]]:
        """`(err, requestParams, context, ee, next)`."""

        async def on_error(vu: VirtualUser, error: VuFailed, params: Params) -> None:
            await self.call(vu, name, "onError", params, error=error)

        return on_error

    def while_true(self, name: str) -> Callable[[VirtualUser], Awaitable[object]]:
        """`(context, next)`, whose callback says whether to go on."""

        async def while_true(vu: VirtualUser) -> object:
            return await self.call(vu, name, "whileTrue")

        return while_true

    def connect(self, name: str) -> Callable[[VirtualUser, Params], Awaitable[None]]:
        """What opens a WebSocket's way: `(wsArgs, context, next)`."""

        async def connect(vu: VirtualUser, arguments: Params) -> None:
            await self.call(vu, name, "connect", arguments)

        return connect

    def emit(self, vu: VirtualUser, kind: str, name: str, value: float) -> None:
        """What `ee.emit` counts. What it cannot count is told, once."""
        ours = _KINDS.get(kind)
        if ours is None:
            self.tell_once(
                vu, f"{self.path.name} emits {name if kind == 'unknown' else kind}, which nobody counts"
            )
            return
        if not math.isfinite(value):
            self.tell_once(vu, f"{self.path.name} counts {name} with a value that is no number")
            return
        try:
            vu.emit(ours, name, value)
        except ValueError as error:
            self.tell_once(vu, f"{self.path.name}: {error}")

    def never_called_back(self, vu: VirtualUser, name: str) -> VuFailed:
        """Of a function that has forgotten its callback."""
        text = (
            f"{name} in {self.path.name} has not called its callback for {self.patience_s:g} s: "
            "it must at each of its ends, or be async"
        )
        self.tell_once(vu, text)
        return VuFailed(text, "hook timeout")

    def tell_once(self, vu: VirtualUser, text: str) -> None:
        """A warning in the report."""
        if text not in self._told:
            self._told.add(text)
            tell(vu.user._engine, "script_warning", text=text)
