from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest

from loadgen.importers.locust.flow import LocustError
from loadgen.importers.locust.markov import MarkovTaskSet, transition, transitions


class Walk(MarkovTaskSet):
    @transitions({"right": 3, "left": 1})
    def left(self) -> None: ...

    @transition("left")
    def right(self) -> None: ...


def _user() -> Any:
    return SimpleNamespace(min_wait=None, max_wait=None, wait_time=lambda: 0, _turns=None)


def test_each_task_leads_to_where_its_transitions_say() -> None:
    walk = Walk(_user())
    names = [walk.get_next_task().__name__ for _ in range(400)]
    after_left = [one for before, one in pairwise(names) if before == "left"]
    assert all(one == "left" for before, one in pairwise(names) if before == "right")
    assert 0.6 < after_left.count("right") / len(after_left) < 0.9


def test_the_first_one_may_be_named() -> None:
    class Named(MarkovTaskSet):
        @transition("last")
        def first(self) -> None: ...

        @transition("first")
        def last(self) -> None: ...

        current = last

    assert len(Named.tasks) == 2
    assert Named(_user()).get_next_task().__name__ == "last"


def test_a_way_that_leads_nowhere_is_refused() -> None:
    with pytest.raises(LocustError, match="leads to gone, which there is not"):

        class Lost(MarkovTaskSet):
            @transition("gone")
            def here(self) -> None: ...

    with pytest.raises(LocustError, match="no tasks with @transition"):

        class Empty(MarkovTaskSet): ...
