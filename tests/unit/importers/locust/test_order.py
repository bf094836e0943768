from itertools import chain, islice

import pytest

from loadgen.importers.locust.order import Comings, Dispatch, Step, evenly

# What Locust's own dispatcher gives for these weights, by the first letter of each class.
CASES = [
    ({"A": 1, "B": 1}, {}, "ABABABABAB"),
    ({"A": 3, "B": 1, "C": 2}, {}, "ACBACAACBACAACBACAAC"),
    ({"Z": 5, "A": 1, "M": 2}, {}, "ZMZAZZMZZMZAZZMZZMZAZZM"),
    ({"B": 1}, {"A": 2, "C": 3}, "CACACBBBBBBB"),
    ({"A": 1.5, "B": 1}, {}, "ABABAABABAAB"),
    ({"A": 7, "B": 3}, {"C": 1}, "CABAABAAABAABAABAAABAABAABAAAB"),
]


@pytest.mark.parametrize(("weights", "fixed", "expected"), CASES)
def test_the_order_is_the_tools_own(weights: dict[str, float], fixed: dict[str, int], expected: str) -> None:
    came = Dispatch(weights, fixed).go_to(Step(len(expected)))
    assert came == list(enumerate(expected))


def test_every_beginning_is_within_one_user_of_the_weights() -> None:
    weights = {"A": 5.0, "B": 3.0, "C": 1.0}
    counts = dict.fromkeys(weights, 0)
    for number, name in enumerate(islice(evenly(weights), 900), 1):
        counts[name] += 1
        for one, weight in weights.items():
            assert abs(counts[one] - number * weight / 9) < 1.5


def test_classes_without_a_weight_have_no_user() -> None:
    assert list(islice(evenly({"A": 0, "B": 1}), 3)) == ["B"] * 3
    assert Dispatch({"A": 0}, {"B": 2}).go_to(Step(5)) == [(0, "B"), (1, "B")]


def test_a_step_may_say_of_which_classes_users_come() -> None:
    dispatch = Dispatch({"A": 1, "B": 1, "C": 1}, {})
    steps = [Step(4, "AB"), Step(1, "AB"), Step(4, "C"), Step(6, "ABC"), Step(7)]
    came = ["".join(name for _, name in dispatch.go_to(step)) for step in steps]
    assert came == ["ABAB", "", "CCC", "AB", "C"]
    assert "".join(dispatch.present) == "ACCCABC"


def test_fixed_counts_are_made_up_first_when_users_come_again() -> None:
    dispatch = Dispatch({"A": 1}, {"F": 2})
    assert [name for _, name in dispatch.go_to(Step(3))] == ["F", "F", "A"]
    dispatch.go_to(Step(1))
    assert [name for _, name in dispatch.go_to(Step(4))] == ["F", "A", "A"]


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_workers_have_together_what_one_would_have(workers: int) -> None:
    steps = [Step(5), Step(2), Step(7, "B"), Step(3), Step(8, "AB")]
    every = Dispatch({"A": 2, "B": 1}, {})
    present: list[list[str]] = [[] for _ in range(workers)]
    numbers = [0] * workers
    comings = [Comings(Dispatch({"A": 2, "B": 1}, {}), steps, index, workers) for index in range(workers)]
    for step in steps:
        every.go_to(step)
        for index in range(workers):
            share = (step.users + workers - 1 - index) // workers
            del present[index][share:]
            while len(present[index]) < share:
                present[index].append(comings[index][numbers[index]])
                numbers[index] += 1
        assert sorted(chain(*present)) == sorted(every.present)


def test_more_may_come_than_the_steps_say() -> None:
    assert (
        "".join(Comings(Dispatch({"A": 1, "B": 1}, {}), [Step(1)])[number] for number in range(4)) == "ABAB"
    )
    assert Comings(Dispatch({}, {"A": 1}), [Step(1)])[3] == "A"
