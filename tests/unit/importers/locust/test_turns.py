"""When the turns of a user begin and how they ended, as the engine is told."""

import asyncio
from typing import Any

import pytest
from greenlet import GreenletExit

from loadgen.importers.locust import driver
from loadgen.importers.locust.flow import StopUser
from loadgen.importers.locust.turns import Turns


class Engine:
    """Answers as it is told to, and keeps what it hears."""

    def __init__(self, *answers: Any) -> None:
        self.heard: list[tuple[Any, ...]] = []
        self._answers = list(answers)

    def _next(self) -> Any:
        future = asyncio.get_running_loop().create_future()
        future.set_result(self._answers.pop(0))
        return future

    def park(self, *arguments: Any) -> Any:
        self.heard.append(("park", *arguments))
        return self._next()

    def go_on(self, *arguments: Any) -> Any:
        self.heard.append(("go_on", *arguments))
        return self._answers.pop(0) if self._answers[0] is None else self._next()


class User:
    _place = 7

    def __init__(self, engine: Engine) -> None:
        self._engine = engine


def played(engine: Engine, play: Any) -> list[tuple[Any, ...]]:
    async def run() -> None:
        user: Any = User(engine)
        await driver.run_blocking(play, Turns(user))

    asyncio.run(run())
    return engine.heard


def test_a_turn_begins_with_how_the_last_one_ended_and_the_rest_before_it() -> None:
    def play(turns: Turns) -> None:
        turns.begin()
        turns.end(False)
        turns.rest = 0.5
        turns.begin()
        turns.end(True)
        turns.begin()

    heard = played(Engine(0, 0, 0), play)
    assert heard == [("park", 7, None, None, 0.0), ("park", 7, False, None, 0.5), ("go_on", 7, True)]


def test_a_turn_within_another_ends_it_once() -> None:
    def play(turns: Turns) -> None:
        turns.begin()
        turns.end(False)
        turns.end(True)
        assert turns.ok is False

    played(Engine(0), play)


@pytest.mark.parametrize("answers", [(None,), (0, None)])
def test_where_there_is_no_next_turn_the_user_ends(answers: tuple[Any, ...]) -> None:
    def play(turns: Turns) -> None:
        for _ in answers[1:]:
            turns.begin()
            turns.end(True)
        with pytest.raises(GreenletExit):
            turns.begin()
        assert turns.ok is None

    played(Engine(*answers), play)


def test_one_that_is_told_to_stop_ends_before_its_next_turn() -> None:
    def play(turns: Turns) -> None:
        turns.stops = True
        with pytest.raises(StopUser):
            turns.begin()

    assert played(Engine(), play) == []
