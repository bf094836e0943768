"""The loops that the tests of the loop run on: ours, and asyncio's own, which tells if a test is right."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import pytest

from tests.engine.loops import new_loadgen_loop

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

    NewLoop = Callable[[], asyncio.AbstractEventLoop]

T = TypeVar("T")


class Run(Protocol):
    """Runs a coroutine to its end on a loop of its own."""

    def __call__(self, main: Coroutine[Any, Any, T], *, debug: bool | None = None) -> T: ...


@pytest.fixture(params=["loadgen", "asyncio"])
def new_loop(request: pytest.FixtureRequest) -> NewLoop:
    """Makes loops. What does not hold for asyncio's own loop may not be asked of ours."""
    if request.param == "asyncio":
        return asyncio.SelectorEventLoop
    return new_loadgen_loop


@pytest.fixture
def loop(new_loop: NewLoop) -> Iterator[asyncio.AbstractEventLoop]:
    """A loop that nobody runs yet. A test that leaves it running or half closed fails here."""
    made = new_loop()
    yield made
    made.close()


@pytest.fixture
def run(new_loop: NewLoop) -> Run:
    def run_to_its_end(main: Coroutine[Any, Any, T], *, debug: bool | None = None) -> T:
        with asyncio.Runner(loop_factory=new_loop, debug=debug) as runner:
            return runner.run(main)

    return run_to_its_end
