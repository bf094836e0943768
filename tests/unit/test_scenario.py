"""The decorators: what they make of a function, and the mistakes that they refuse at once."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any, cast

import pytest

from loadgen.errors import PlanError, UsageError
from loadgen.loads import LoadWish, ScenarioWish
from loadgen.scenario import Once, Scenario, Session, once, scenario, session
from loadgen.shapes import Stage

if TYPE_CHECKING:
    from loadgen.user import User

USER = cast("User", object())


def test_a_scenario_is_still_the_function() -> None:
    seen: list[object] = []

    @scenario
    async def browse(user: User) -> None:
        """Look around."""
        seen.append(user)

    assert isinstance(browse, Scenario)
    assert (browse.name, browse.__name__, inspect.getdoc(browse)) == ("browse", "browse", "Look around.")
    asyncio.run(awaited(browse))
    assert seen == [USER]


async def awaited(one: Scenario) -> None:
    await one(USER)


def test_its_part_in_the_load_is_kept_as_written() -> None:
    @scenario(weight=3, name="Look around")
    async def browse(user: User) -> None: ...

    @scenario(rate="5/s", duration="1m", arrivals="poisson")
    async def poll(user: User) -> None: ...

    @scenario(stages=[Stage("1s", users=3)])
    async def buy(user: User) -> None: ...

    assert browse.wish == ScenarioWish(name="Look around", weight=3)
    assert poll.wish.load == LoadWish(rate="5/s", duration="1m", arrivals="poisson")
    assert buy.wish.load == LoadWish(stages=(Stage("1s", users=3),))


def test_an_empty_list_of_stages_is_no_load() -> None:
    @scenario(stages=[])
    async def browse(user: User) -> None: ...

    assert browse.wish.load is None


def test_a_session_is_still_the_generator() -> None:
    @session
    async def logged_in(_user: User) -> AsyncIterator[None]:
        yield

    assert isinstance(logged_in, Session)
    assert logged_in.name == "logged_in"

    async def play() -> list[object]:
        return [item async for item in logged_in(USER)]

    assert asyncio.run(play()) == [None]


def test_once_may_ask_for_a_user_or_not_and_may_be_either_kind() -> None:
    @once
    def warm() -> int:
        return 5

    @once
    async def seed(user: User) -> None: ...

    assert isinstance(warm, Once)
    assert (warm.takes_user, warm()) == (False, 5)
    assert seed.takes_user
    assert inspect.iscoroutinefunction(seed.function)


def plain(user: object) -> None: ...
async def nothing() -> None: ...
async def two(user: object, items: object) -> None: ...
async def named(user: object, *, items: object) -> None: ...
async def fine(user: object) -> None: ...
async def yields(_user: object) -> AsyncIterator[None]:
    yield


def yields_plainly(_user: object) -> Any:
    yield


@pytest.mark.parametrize(
    ("decorate", "function", "message", "hint"),
    [
        (scenario, plain, '@scenario: plain is a "def"', "Write: async def plain(user: User)"),
        (scenario, yields, "@scenario: yields has a yield", "write @session"),
        (scenario, nothing, "@scenario: nothing has no parameter", "async def nothing(user: User)"),
        (scenario, two, "two is given the user alone, but asks for items too", "Give these a default"),
        (scenario, named, "named is given the user alone, but asks for items too", "user.data"),
        (scenario, 5, '@scenario: expected a function, got "5"', ""),
        (scenario, dict, "expected a function", ""),
        (scenario, scenario(fine), "@scenario: fine is a scenario already", ""),
        (session, fine, "@session: fine does not yield", "Put one yield"),
        (session, plain, "@session: plain does not yield", "Put one yield"),
        (
            session,
            yields_plainly,
            '@session: yields_plainly is a "def"',
            "async def yields_plainly(user: User)",
        ),
        (session, scenario(fine), "fine is a scenario already", ""),
        (once, yields, "@once: yields has a yield", ""),
        (once, two, "@once: two is given the user alone, but asks for items too", ""),
        (once, session(yields), "yields is a session already", ""),
    ],
)
def test_what_cannot_be_decorated_is_refused_with_the_remedy(
    decorate: Callable[[Any], object], function: object, message: str, hint: str
) -> None:
    with pytest.raises(UsageError) as caught:
        decorate(function)
    assert message in caught.value.message
    assert hint in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("arguments", "mistakes"),
    [
        ({"weight": -1}, ['weight: expected a number, 0 or more, got "-1"']),
        ({"weight": "3"}, ['weight: expected a number, 0 or more, got "3"']),
        ({"weight": True}, ["weight: expected a number"]),
        ({"weight": float("nan")}, ["weight: expected a number"]),
        ({"weight": 2, "rate": 5}, ["weight: a scenario with a load of its own takes no share"]),
        ({"name": " "}, ["name: expected text"]),
        ({"name": 5}, ["name: expected text"]),
        ({"rate": "fast", "duration": "x"}, ["rate: expected a rate", "duration: expected a duration"]),
        ({"rate": 5, "users": 5}, ["users: cannot be used with rate"]),
        ({"users": 0}, ["users: expected a whole number, 1 or more"]),
        ({"duration": "5s"}, ["duration: needs rate, users or stages beside it"]),
        ({"arrivals": "poisson"}, ["arrivals: needs rate, users or stages beside it"]),
        ({"arrivals": "poisson", "users": 5}, ["arrivals: needs a rate: in the closed model"]),
        ({"stages": Stage("1s", rate=5)}, ["stages: expected a list of stages"]),
        ({"stages": ["1s:5"]}, ["stages: expected a list of stages"]),
        ({"stages": [Stage("1s", rate=0)]}, ["stages: these stages hold no load"]),
        ({"stages": [Stage("1s", rate=5)], "rate": 5}, ["rate: cannot be used with stages"]),
    ],
)
def test_a_load_that_cannot_be_is_refused_where_it_is_written(
    arguments: dict[str, Any], mistakes: list[str]
) -> None:
    with pytest.raises(PlanError) as caught:
        scenario(**arguments)(fine)
    found = [str(mistake) for mistake in caught.value.mistakes]
    assert len(found) == len(mistakes)
    for text, expected in zip(found, mistakes, strict=True):
        assert text.startswith("@scenario ")
        assert expected in text
