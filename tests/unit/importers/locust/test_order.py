from itertools import islice

import pytest

from loadgen.importers.locust.order import class_order, evenly

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
    assert "".join(islice(class_order(weights, fixed), len(expected))) == expected


def test_every_beginning_is_within_one_user_of_the_weights() -> None:
    weights = {"A": 5.0, "B": 3.0, "C": 1.0}
    counts = dict.fromkeys(weights, 0)
    for number, name in enumerate(islice(evenly(weights), 900), 1):
        counts[name] += 1
        for one, weight in weights.items():
            assert abs(counts[one] - number * weight / 9) < 1.5


def test_classes_without_a_weight_have_no_user() -> None:
    assert list(islice(evenly({"A": 0, "B": 1}), 3)) == ["B"] * 3
    assert list(class_order({"A": 0}, {"B": 2})) == ["B", "B"]
