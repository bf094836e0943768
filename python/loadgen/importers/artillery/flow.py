"""What a flow is made of: steps, what they are compiled with, the engines that know them. It reads no file.

A step is compiled once, when the file is loaded, and then awaited for each virtual user:

    await step(vu)          # returns: on to the next; VuFailed: the virtual user ends here

An engine (`http`, `ws`, `socketio`) is a module here with `ENGINE`: an `Engine`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from loadgen.importers.artillery.virtual_user import VirtualUser, VuFailed

if TYPE_CHECKING:
    from loadgen.importers.artillery.answer import Answer

Step: TypeAlias = Callable[[VirtualUser], Awaitable[None]]
Render: TypeAlias = Callable[[VirtualUser], Any]  # a template: its value for one virtual user
Function: TypeAlias = Callable[
    ..., Any
]  # `$name(…)` in a template: called with the virtual user, then its arguments
Params: TypeAlias = dict[
    str, Any
]  # a request as hooks see it: url, method, headers, json, body, qs, cookie …

# Step maker: (compiler, the step as written, its place, what surrounds it).
StepMaker: TypeAlias = "Callable[[Compiler, Mapping[str, Any], str, Around], Step]"

_MODULES = {"http": "http", "ws": "ws", "websocket": "ws", "socketio": "socketio"}


class Processor(Protocol):
    """The functions of `config.processor`, whatever they are written in. Each makes a hook once, by its name.

    `has` says whether there is one; the others may be asked for what is there alone. What a hook raises as
    VuFailed ends the virtual user.
    """

    def has(self, name: str) -> bool: ...
    def function(self, name: str) -> Callable[[VirtualUser], Awaitable[None]]: ...
    def before_request(self, name: str) -> Callable[[VirtualUser, Params], Awaitable[None]]: ...
    def after_response(self, name: str) -> Callable[[VirtualUser, Params, Answer], Awaitable[None]]: ...
    def on_error(self, name: str) -> Callable[[VirtualUser, VuFailed, Params], Awaitable[None]]: ...
    def while_true(self, name: str) -> Callable[[VirtualUser], Awaitable[object]]: ...
    def if_true(self, name: str) -> Callable[[VirtualUser], object]: ...
    def connect(self, name: str) -> Callable[[VirtualUser, Params], Awaitable[None]]: ...


@dataclass(frozen=True)
class Around:
    """What a scenario says for each of its requests; and whether a step has others beside it."""

    before_request: tuple[str, ...] = ()
    after_response: tuple[str, ...] = ()
    on_error: tuple[str, ...] = ()
    is_parallel: bool = False


@dataclass(frozen=True)
class Engine:
    """How the flow of a scenario is understood: steps by their word, what goes before and after all.

    `open` runs when a virtual user begins (a socket connects), `close` when it ends, however it does.
    """

    steps: Mapping[str, StepMaker]
    open: Callable[[Compiler, Mapping[str, Any], str], Step] | None = None
    close: Callable[[Compiler, Mapping[str, Any], str], Step] | None = None


class Notes:
    """What cannot be kept, each said once, in the order in which it was found."""

    def __init__(self) -> None:
        self._said: dict[str, None] = {}

    def add(self, text: str) -> None:
        self._said[text] = None

    def __iter__(self) -> Iterator[str]:
        return iter(self._said)


@dataclass
class Compiler:
    """What a script is compiled with, and what is found out on the way."""

    path: Path  # of the script
    config: Mapping[str, Any]  # with its environment, its overrides and templates applied
    functions: dict[str, Function]
    processor: Processor | None
    notes: Notes
    mistakes: list[tuple[str, str]] = field(default_factory=list)  # (place, text)

    def note(self, text: str) -> None:
        """Something that cannot be kept; said before the run."""
        self.notes.add(text)

    def wrong(self, place: str, text: str) -> None:
        """A mistake in the file. All are reported together."""
        self.mistakes.append((place, text))

    def render(self, value: Any) -> Render | Any:
        """A template as a function of the virtual user; what has no {{ }} in it stays what it is."""
        from loadgen.importers.artillery.templates import compile_template

        return compile_template(value, self)

    def flow(self, specs: Any, place: str, engine: Engine, around: Around) -> tuple[Step, ...]:
        """The steps of a list. Lists within it are part of it, as YAML's anchors make them."""
        steps: list[Step] = []
        if not isinstance(specs, Sequence) or isinstance(specs, str):
            self.wrong(place, f"expected a list of steps, got {specs!r}")
            return ()
        for index, spec in enumerate(specs):
            at = f"{place}[{index}]"
            if isinstance(spec, list):
                steps.extend(self.flow(spec, at, engine, around))
            else:
                steps.append(self.step(spec, at, engine, around))
        return tuple(steps)

    def step(self, spec: Any, place: str, engine: Engine, around: Around) -> Step:
        """One step, of those that every engine knows, or of the engine's own."""
        from loadgen.importers.artillery.common_steps import COMMON

        if not isinstance(spec, Mapping) or not spec:
            known = ", ".join([*COMMON, *engine.steps])
            self.wrong(place, f"expected a step, one of {known}, got {spec!r}")
            return nothing
        for word, common in COMMON.items():
            if word in spec:
                return common(self, spec, place, around, engine)
        for word in spec:
            if word.lower() in engine.steps:
                return engine.steps[word.lower()](self, spec, place, around)
        known = ", ".join([*COMMON, *engine.steps])
        self.wrong(place, f"{next(iter(spec))} is no step of this engine: there are {known}")
        return nothing


async def nothing(vu: VirtualUser) -> None:
    """A step that does nothing."""


def engine_named(name: str) -> Engine | None:
    """The engine of a scenario; None where there is none of that name."""
    module = _MODULES.get(name)
    if module is None:
        return None
    engine: Engine = import_module(f"loadgen.importers.artillery.{module}").ENGINE
    return engine
