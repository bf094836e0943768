"""Plans beside each other: every field that matters, and none that is another in every run."""

from __future__ import annotations

from typing import Any

import msgspec

from loadgen.plan import Plan
from loadgen.plan_difference import PlanDifference, differences


def plan(**fields: Any) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode(Plan(workers=1, **fields).compile().encode())
    return found


def test_fields_that_differ_are_told_with_their_place() -> None:
    before = plan(url="http://127.0.0.1:8000/", rate=500)
    after = plan(url="http://127.0.0.1:8000/", rate=1000, pacing="eco")
    assert differences(before, after) == [
        PlanDifference("load.stages[0].from_rate", "500.0", "1000.0"),
        PlanDifference("load.stages[0].to_rate", "500.0", "1000.0"),
        PlanDifference("pacing", '"hybrid"', '"eco"'),
    ]


def test_a_field_that_only_one_has_is_told() -> None:
    before, after = plan(url="http://127.0.0.1:8000/", rate=5), plan(url="http://127.0.0.1:8000/", users=5)
    found = {one.field: (one.baseline, one.run) for one in differences(before, after)}
    assert found["load.stages[0].from_rate"] == ("5.0", "-")
    assert found["load.stages[0].from_users"] == ("-", "5")


def test_names_and_where_values_came_from_change_nothing() -> None:
    fields: dict[str, Any] = {"url": "http://127.0.0.1:8000/", "rate": 5}
    assert differences(plan(**fields, name="a", origins={"rate": "--tps"}), plan(**fields, name="b")) == []


def test_the_port_of_an_embedded_target_is_no_difference() -> None:
    first, second = (
        plan(url=f"http://127.0.0.1:{port}/", rate=5, name="blast embedded target") | {"addresses": [address]}
        for port, address in ((4001, "127.0.0.1:4001"), (4002, "127.0.0.1:4002"))
    )
    assert differences(first, second) == []
    named = [one | {"name": "blast", "origins": {"url": "URL"}} for one in (first, second)]
    assert [one.field for one in differences(*named)] == ["request.url", "addresses[0]"]
