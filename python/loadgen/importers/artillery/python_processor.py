"""The functions of a Python file, by the names and with the arguments that Artillery's have.

    def sign(request_params, context, events, done):     async def sign(request_params, context, events):
        request_params["headers"]["x-key"] = "1"             context.vars["n"] = 1
        done()                                               events.emit("counter", "signed", 1)

A plain function that has no parameter left for the callback has ended when it returns.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loadgen.errors import UsageError
from loadgen.importers.artillery.processor import Functions
from loadgen.importers.artillery.virtual_user import VuFailed
from loadgen.script import execute

if TYPE_CHECKING:
    from loadgen.importers.artillery.answer import Answer
    from loadgen.importers.artillery.flow import Params
    from loadgen.importers.artillery.virtual_user import VirtualUser


class Context:
    """What a function knows of its virtual user: `vars` are the variables themselves, not a copy.

    Objects of `config.variables` are those of all users of a worker, as in Artillery.
    """

    __slots__ = ("_vu", "user", "vars")

    def __init__(self, vu: VirtualUser) -> None:
        self._vu = vu
        self.vars = vu.vars
        self.user = vu.user

    @property
    def _uid(self) -> str:
        return self._vu.uid

    @property
    def scenario(self) -> dict[str, Any]:
        """Of which it is."""
        return {"name": self._vu.scenario}


class Events:
    """`events.emit("counter", name, 1)`: what goes to the metrics."""

    __slots__ = ("_processor", "_vu")

    def __init__(self, processor: Functions, vu: VirtualUser) -> None:
        self._processor = processor
        self._vu = vu

    def emit(self, kind: str, name: Any, value: float = 1) -> None:
        """Counts something: counter, histogram, summary, rate or error."""
        if kind == "customStat":
            name, value = name["stat"], name["value"]
        self._processor.emit(self._vu, kind, str(name), float(value))


class PythonProcessor(Functions):
    """The functions of a module."""

    def __init__(self, path: Path, patience_s: float) -> None:
        super().__init__(path, patience_s)
        module = execute(path)
        self._functions: dict[str, Callable[..., Any]] = {
            name: value
            for name, value in vars(module).items()
            if callable(value) and not isinstance(value, type) and not name.startswith("_")
        }
        if not self._functions:
            raise UsageError(f"config.processor: {path.name} defines no function")

    def has(self, name: str) -> bool:
        return name in self._functions

    async def call(
        self,
        vu: VirtualUser,
        name: str,
        kind: str,
        params: Params | None = None,
        answer: Answer | None = None,
        error: VuFailed | None = None,
    ) -> object:
        function = self._functions[name]
        given: list[Any] = [one for one in (error, params, answer) if one is not None]
        given.append(Context(vu))
        if kind not in ("whileTrue", "connect"):
            given.append(Events(self, vu))
        try:
            if inspect.iscoroutinefunction(function):
                return await function(*given)
            if not _takes(function, len(given) + 1):
                return function(*given)
            return await self._call_back(vu, name, kind, function, given)
        except VuFailed:
            raise
        except Exception as trouble:
            raise self._failed(vu, name, trouble) from trouble

    def before_request(self, name: str) -> Callable[[VirtualUser, Params], Awaitable[None]]:
        hook = super().before_request(name)

        async def before_request(vu: VirtualUser, params: Params) -> None:
            headers = params.get("headers")
            await hook(vu, params)
            # Those of the step go out beside what is put in their place, but not what is taken from them.
            if params.get("headers") is not headers:
                params["headers"] = {**(headers or {}), **(params.get("headers") or {})}

        return before_request

    def if_true(self, name: str) -> Callable[[VirtualUser], object]:
        function = self._functions[name]

        def if_true(vu: VirtualUser) -> object:
            try:
                return function(vu.vars)
            except Exception as trouble:
                raise self._failed(vu, name, trouble) from trouble

        return if_true

    def _failed(self, vu: VirtualUser, name: str, trouble: Exception) -> VuFailed:
        self.tell_once(vu, f"{name} in {self.path.name} failed: {type(trouble).__name__}: {trouble}")
        return VuFailed(f"{name}: {trouble}", str(trouble) or type(trouble).__name__)

    async def _call_back(
        self, vu: VirtualUser, name: str, kind: str, function: Callable[..., Any], given: list[Any]
    ) -> object:
        future: asyncio.Future[object] = asyncio.get_running_loop().create_future()

        def done(first: object = None, second: object = None) -> None:
            if not future.done():
                # A condition says whether to go on; of the others, the first argument is an error.
                if kind == "whileTrue":
                    future.set_result(first)
                elif first:
                    future.set_exception(VuFailed(str(first)))
                else:
                    future.set_result(second)

        function(*given, done)
        try:
            async with asyncio.timeout(self.patience_s):
                return await future
        except TimeoutError:
            raise self.never_called_back(vu, name) from None


def _takes(function: Callable[..., Any], count: int) -> bool:
    """Whether it has a parameter left for the callback."""
    parameters = inspect.signature(function).parameters.values()
    positional = [one for one in parameters if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)]
    return len(positional) >= count or any(one.kind is one.VAR_POSITIONAL for one in parameters)
