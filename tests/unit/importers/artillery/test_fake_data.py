"""Fake data: of the right kind, by the user's own seed, with the plugin's options."""

from __future__ import annotations

import re

from loadgen.importers.artillery.fake_data import fake_functions
from tests.unit.importers.artillery.people import compiler, vu


def test_each_function_makes_something_that_comes_again_with_the_seed() -> None:
    functions = fake_functions({}, compiler())
    one, other, again = vu(seed=1), vu(seed=2), vu(seed=1)
    made = {name: function(one) for name, function in functions.items()}
    assert all(value is not None and value != "" for value in made.values())
    assert made == {name: function(again) for name, function in functions.items()}
    assert made != {name: function(other) for name, function in functions.items()}


def test_values_look_like_what_they_are() -> None:
    functions = fake_functions({}, compiler())
    for name, pattern in [
        ("$randEmail", r"\S+@\S+\.\S+"),
        ("$randFullName", r"\S+ .+"),
        ("$randUuid", r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
        ("$randIp", r"\d+(\.\d+){3}"),
        ("$randPastDate", r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"),
    ]:
        assert re.fullmatch(pattern, str(functions[name](vu()))), name


def test_options_are_kept_and_others_told() -> None:
    made = compiler()
    config = {
        "randNumber": {"min": 5, "max": 6},
        "randWord": {"length": 3},
        "randNope": {},
        "randCity": {"x": 1},
    }
    functions = fake_functions(config, made)
    user = vu()
    assert {functions["$randNumber"](user) for _ in range(50)} == {5, 6}
    assert len(functions["$randWord"](user)) == 3
    notes = list(made.notes)
    assert any("randNope is not known" in note for note in notes)
    assert any("randCity.x is without effect" in note for note in notes)
