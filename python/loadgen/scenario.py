"""What makes a function part of a load: `@scenario`, `@session`, `@once`. They mark it and keep no list.

The decorated object is still called and awaited like the function; `script.py` finds it in its module.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, overload

from loadgen.checking import Checker
from loadgen.errors import Mistake, PlanError, UsageError
from loadgen.loads import LoadWish, ScenarioWish, check_scenario
from loadgen.shapes import Stage
from loadgen.units import quoted

if TYPE_CHECKING:
    from loadgen.user import User

Iteration: TypeAlias = "Callable[[User], Coroutine[Any, Any, object]]"
Frame: TypeAlias = "Callable[[User], AsyncIterator[object]]"
Preparation: TypeAlias = Callable[..., object]


class Scenario:
    """A function that is one user's iteration, with its name and its part in the load."""

    __name__: str

    def __init__(self, function: Iteration, wish: ScenarioWish) -> None:
        functools.update_wrapper(self, function)
        self.function = function
        self.wish = wish

    @property
    def name(self) -> str:
        """Under which its iterations are counted."""
        return self.wish.name

    def __call__(self, user: User) -> Coroutine[Any, Any, object]:
        return self.function(user)

    def __repr__(self) -> str:
        return f"<scenario {self.name}>"


class Session:
    """An async generator with one `yield`: what goes before and after all iterations of a user."""

    __name__: str

    def __init__(self, function: Frame) -> None:
        functools.update_wrapper(self, function)
        self.function = function
        self.name = _name_of(function)

    def __call__(self, user: User) -> AsyncIterator[object]:
        return self.function(user)

    async def set_up(self, user: User) -> AsyncIterator[object]:
        """Runs what stands before its yield."""
        generator = self.function(user)
        try:
            await anext(generator)
        except StopAsyncIteration:
            raise RuntimeError(f"session {self.name} did not yield") from None
        return generator

    async def tear_down(self, generator: AsyncIterator[object]) -> None:
        """Runs what follows its yield."""
        try:
            await anext(generator)
        except StopAsyncIteration:
            return
        raise RuntimeError(f"session {self.name} yielded twice")

    def __repr__(self) -> str:
        return f"<session {self.name}>"


class Once:
    """A function that each worker runs once before the load begins; `takes_user` says if it wants a user."""

    __name__: str

    def __init__(self, function: Preparation, *, takes_user: bool) -> None:
        functools.update_wrapper(self, function)
        self.function = function
        self.name = _name_of(function)
        self.takes_user = takes_user

    def __call__(self, *arguments: Any) -> Any:
        return self.function(*arguments)

    async def run(self, user: User) -> None:
        """Runs it to its end, with this user where it wants one."""
        done = self.function(*([user] if self.takes_user else []))
        if inspect.isawaitable(done):
            await done

    def __repr__(self) -> str:
        return f"<once {self.name}>"


@overload
def scenario(function: Iteration, /) -> Scenario: ...
@overload
def scenario(
    *,
    weight: float | None = None,
    name: str | None = None,
    rate: str | float | None = None,
    users: str | int | None = None,
    stages: Sequence[Stage] = (),
    duration: str | float | None = None,
    arrivals: str | None = None,
) -> Callable[[Iteration], Scenario]: ...
def scenario(
    function: Iteration | None = None,
    /,
    *,
    weight: float | None = None,
    name: str | None = None,
    rate: str | float | None = None,
    users: str | int | None = None,
    stages: Sequence[Stage] = (),
    duration: str | float | None = None,
    arrivals: str | None = None,
) -> Scenario | Callable[[Iteration], Scenario]:
    """Make an `async def` of one user a scenario.

    It takes part in the plan's load by `weight` (default 1, 0 leaves it out), unless it has a load of its
    own: a `rate`, `users` or `stages`.
    """
    if isinstance(stages, list):
        stages = tuple(stages)
    load = LoadWish(rate=rate, users=users, stages=stages, duration=duration, arrivals=arrivals)

    def decorate(function: Iteration) -> Scenario:
        _check_function(function, "scenario")
        if inspect.isasyncgenfunction(function):
            raise UsageError(
                f"@scenario: {_name_of(function)} has a yield, so it never runs as an iteration",
                hint="Take the yield out, or write @session for what goes around the iterations.",
            )
        _check_async(function, "scenario", "user")
        _check_parameters(function, "scenario", 1, 1)
        wish = ScenarioWish(
            name=_name_of(function) if name is None else name,
            weight=weight,
            load=None if load == LoadWish() else load,
        )
        check = Checker({})
        check_scenario(wish, check)
        if check.mistakes:
            raise PlanError(
                [Mistake(f"@scenario {wish.name}: {wrong.place}", wrong.text) for wrong in check.mistakes]
            )
        return Scenario(function, wish)

    return decorate if function is None else decorate(function)


def session(function: Frame, /) -> Session:
    """Make an async generator of one user the frame of its iterations: log in, `yield`, log out."""
    _check_function(function, "session")
    if not inspect.isasyncgenfunction(function):
        if inspect.isgeneratorfunction(function):
            _check_async(function, "session", "user")
        raise UsageError(
            f"@session: {_name_of(function)} does not yield",
            hint="Put one yield where the iterations belong: what follows it ends the session.",
        )
    _check_parameters(function, "session", 1, 1)
    return Session(function)


def once(function: Preparation, /) -> Once:
    """Have a function, `async def` or `def`, run once in each worker before the load begins.

    With a parameter it is given a user, whose requests are not part of the load.
    """
    _check_function(function, "once")
    if inspect.isasyncgenfunction(function) or inspect.isgeneratorfunction(function):
        raise UsageError(f"@once: {_name_of(function)} has a yield; it is run once, to its end")
    return Once(function, takes_user=_check_parameters(function, "once", 0, 1) == 1)


def _name_of(function: object) -> str:
    return str(getattr(function, "__name__", type(function).__name__))


def _check_function(function: object, decorator: str) -> None:
    if isinstance(function, (Scenario, Session, Once)):
        raise UsageError(f"@{decorator}: {function.name} is a {type(function).__name__.lower()} already")
    if isinstance(function, type) or not callable(function):
        raise UsageError(f"@{decorator}: expected a function, got {quoted(function)}")


def _check_async(function: object, decorator: str, parameter: str) -> None:
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        return
    name = _name_of(function)
    raise UsageError(
        f'@{decorator}: {name} is a "def", so it could not wait for anything',
        hint=f"Write: async def {name}({parameter}: User)",
    )


def _check_parameters(function: Callable[..., object], decorator: str, at_least: int, at_most: int) -> int:
    """How many parameters must be given."""
    parameters = inspect.signature(function).parameters.values()
    positional = [one for one in parameters if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)]
    required = [one for one in positional if one.default is one.empty]
    nameless = [one for one in parameters if one.kind is one.KEYWORD_ONLY and one.default is one.empty]
    takes_any = any(one.kind is one.VAR_POSITIONAL for one in parameters)
    most = len(positional) + takes_any
    if most < at_least:
        raise UsageError(
            f"@{decorator}: {_name_of(function)} has no parameter",
            hint=f"It is given the user: async def {_name_of(function)}(user: User)",
        )
    if len(required) > at_most or nameless:
        names = ", ".join(one.name for one in [*required[at_most:], *nameless])
        raise UsageError(
            f"@{decorator}: {_name_of(function)} is given the user alone, but asks for {names} too",
            hint="Give these a default, or set them in the module; user.data holds what is one user's own.",
        )
    return len(required)
