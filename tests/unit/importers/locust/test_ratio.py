"""How often tasks come, as shares."""

from __future__ import annotations

from typing import Any

from loadgen.importers.locust.ratio import render_shares, shares_of


def often() -> None:
    pass


def seldom() -> None:
    pass


class Nested:
    tasks = (often, seldom)


class Reader:
    weight, fixed_count = 3, 0
    tasks: Any = (often, often, often, Nested)


class Writer:
    weight, fixed_count = 1, 0
    tasks: Any = (seldom,)


class Admin:
    weight, fixed_count = 1, 1
    tasks: Any = (seldom,)


def test_shares_of_a_class_and_of_all() -> None:
    shares = shares_of([Reader, Writer], 4)
    reader = shares["per_class"]["Reader"]
    assert reader["tasks"]["often"] == {"ratio": 0.75}
    assert reader["tasks"]["Nested"] == {
        "ratio": 0.25,
        "tasks": {"often": {"ratio": 0.125}, "seldom": {"ratio": 0.125}},
    }
    assert shares["total"]["Reader"]["ratio"] == 0.75
    assert shares["total"]["Reader"]["tasks"]["often"] == {"ratio": 0.5625}
    assert shares["total"]["Writer"]["tasks"]["seldom"] == {"ratio": 0.25}


def test_fixed_users_come_first() -> None:
    total = shares_of([Admin, Reader, Writer], 5)["total"]
    assert [round(total[name]["ratio"], 2) for name in ("Admin", "Reader", "Writer")] == [0.2, 0.6, 0.2]


def test_the_table_indents_what_is_nested() -> None:
    lines = render_shares(shares_of([Reader], 1)).splitlines()
    assert lines[0] == " Task ratio per User class"
    assert lines[2:6] == [
        " 100.0      Reader",
        " 75.0         often",
        " 25.0         Nested",
        " 12.5           often",
    ]
