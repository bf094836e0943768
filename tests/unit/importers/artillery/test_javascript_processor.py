"""What crosses between a virtual user and its hooks in JavaScript: values keep their kinds."""

from __future__ import annotations

import asyncio
import gc
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from loadgen.importers.artillery.javascript.processor import TABLE, JavaScriptProcessor
from loadgen.importers.artillery.values import set_path
from loadgen.importers.artillery.virtual_user import UNDEFINED, VirtualUser, VuFailed
from tests.unit.importers.artillery.people import vu

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Make = Callable[[str], JavaScriptProcessor]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def write(text: str) -> JavaScriptProcessor:
        path = tmp_path / "hooks.js"
        path.write_text(text)
        return JavaScriptProcessor(path, patience_s=5)

    return write


def run(processor: JavaScriptProcessor, name: str, *users: VirtualUser) -> None:
    async def all_of_them() -> None:
        await asyncio.gather(*(processor.function(name)(user) for user in users))

    asyncio.run(all_of_them())


def change(processor: JavaScriptProcessor, name: str, params: dict[str, Any]) -> None:
    async def hook() -> None:
        await processor.before_request(name)(vu(), params)

    asyncio.run(hook())


def test_values_come_back_as_they_went(make: Make) -> None:
    processor = make("exports.touch = (context, ee, next) => { context.vars.touched = true; next(); };")
    before: dict[str, Any] = {
        "text": 'Grüße "🎉"\n\u2028',
        "whole": 2**53,
        "part": -0.5,
        "no": False,
        "nothing": None,
        "list": [1, [2.5, {"a": None}]],
        "object": {"": 1, "b": {"c": []}, "ü": "x"},
        "[1]": "[1]",
    }
    user = vu(before)
    run(processor, "touch", user)
    assert user.vars == {**before, "touched": True}
    assert [type(value) for value in user.vars.values()] == [*map(type, before.values()), bool]


def test_changes_of_both_sides_are_seen_by_the_other(make: Make) -> None:
    processor = make(
        """
        exports.see = (context, ee, next) => {
          const { vars } = context;
          vars.seen = JSON.stringify([vars.a, vars.b, vars.deep, vars.gone === undefined, typeof vars.f]);
          next();
        };
        exports.change = async ({ vars }) => {
          vars.b.push(4);
          delete vars.gone;
          vars.f = () => 1;
          vars.self = { vars };
        };
        """
    )
    user = vu({"a": 1, "b": [3], "deep": {"x": {"y": 1}}, "gone": "here"})
    run(processor, "see", user)
    assert user.vars["seen"] == '[1,[3],{"x":{"y":1}},false,"undefined"]'
    run(processor, "change", user)
    assert user.vars["b"] == [3, 4] and "gone" not in user.vars and "f" not in user.vars
    user.vars["a"] = "new"
    set_path(user.vars, "deep.x.y", 2)  # as a capture does: the object stays the same one
    run(processor, "see", user)
    assert user.vars["seen"] == '["new",[3,4],{"x":{"y":2}},true,"function"]'


def test_each_has_variables_of_its_own_and_modules_are_shared(make: Make) -> None:
    processor = make(
        """
        let count = 0;
        exports.count = async (context) => {
          const mine = ++count;
          await new Promise((resolve) => setTimeout(resolve, 10 - 3 * mine));
          context.vars.mine = [mine, count, context._uid, context.scenario.name];
        };
        """
    )
    users = [vu(seed=seed) for seed in range(3)]
    run(processor, "count", *users)
    assert [user.vars["mine"] for user in users] == [
        [number, 3, user.uid, "main"] for number, user in enumerate(users, 1)
    ]


def test_who_is_gone_is_forgotten(make: Make) -> None:
    processor = make("exports.nothing = (context, ee, next) => next();")
    for _ in range(50):
        run(processor, "nothing", vu())
    gc.collect()
    run(processor, "nothing", vu())
    assert processor.kept <= 2


def test_a_table_that_all_share_crosses_once(make: Make) -> None:
    processor = make("exports.pick = ({ vars }, ee, next) => { vars.row = vars.table[vars.at]; next(); };")
    table = [{"n": number} for number in range(TABLE)]
    users = [vu({"table": table, "at": at}) for at in range(5)]
    for user in users:
        run(processor, "pick", user)
    assert [user.vars["row"] for user in users] == table[:5]
    assert all(user.vars["table"] is table for user in users)
    assert processor.shared == 1


def test_requests_may_be_changed_in_every_part(make: Make) -> None:
    processor = make(
        """
        exports.change = (requestParams, context, ee, next) => {
          requestParams.url = '/other';
          requestParams.headers['x-a'] = 1;
          delete requestParams.json;
          requestParams.body = Buffer.from([0, 255]);
          next();
        };
        exports.look = (requestParams, context, ee, next) => next();
        """
    )
    params: dict[str, Any] = {"url": "/", "headers": {}, "json": {"a": 1}}
    change(processor, "change", params)
    assert params == {"url": "/other", "headers": {"x-a": 1}, "body": b"\x00\xff"}
    untouched: dict[str, Any] = {"url": "/{{ a }}", "json": {"ü": 1.5, "gone": UNDEFINED}}
    change(processor, "look", untouched)
    assert untouched["url"] == "/{{ a }}" and untouched["json"]["ü"] == 1.5


def test_conditions_decide_at_once(make: Make) -> None:
    processor = make(
        """
        module.exports = { yes: (vars) => vars.n, round: (context, next) => next(context.vars.n < 2) };
        """
    )
    user = vu({"n": 0})
    assert not processor.if_true("yes")(user)
    user.vars["n"] = 1
    assert processor.if_true("yes")(user)
    assert asyncio.run(_value(processor, user)) is True
    user.vars["n"] = 2
    assert asyncio.run(_value(processor, user)) is False


async def _value(processor: JavaScriptProcessor, user: VirtualUser) -> object:
    return await processor.while_true("round")(user)


def test_an_answer_that_comes_when_nobody_waits_is_dropped(make: Make) -> None:
    processor = make("exports.late = (context, ee, next) => { next('first'); next(); setTimeout(next, 1); };")
    told: list[str] = []
    user = vu()
    user.user._engine = SimpleNamespace(report=told.append)  # type: ignore[misc, assignment]
    for _ in range(2):
        with pytest.raises(VuFailed, match="first"):
            run(processor, "late", user)
    assert len(told) == 1


def test_memory_has_a_limit(make: Make) -> None:
    processor = make(
        "exports.eat = (context, ee, next) => { const a = []; for (;;) a.push('x'.repeat(1e6) + a.length); };"
    )
    told: list[str] = []
    user = vu()
    user.user._engine = SimpleNamespace(report=told.append)  # type: ignore[misc, assignment]
    with pytest.raises(VuFailed, match="out of memory"):
        run(processor, "eat", user)
    assert "out of memory" in told[0]
