"""Scripts as users write them: what is found in them, and every mistake in the user's own words."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from loadgen.engine_plan import ScriptPlan
from loadgen.errors import PlanError, UsageError
from loadgen.script import Script, load_script

BROWSE = """
@scenario
async def browse(user): ...
"""
HEAD = "from loadgen import Plan, Stage, once, scenario, session\n"


@pytest.fixture(autouse=True)
def _leave_no_trace() -> Iterator[None]:
    modules, path = set(sys.modules), list(sys.path)
    yield
    for name in set(sys.modules) - modules:
        if getattr(sys.modules[name], "__file__", None) and "/test_" in str(sys.modules[name].__file__):
            del sys.modules[name]
    sys.path[:] = path


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Writes a script called shop.py, into the working folder."""
    monkeypatch.chdir(tmp_path)

    def write(text: str, name: str = "shop.py") -> Path:
        (tmp_path / name).write_text(text)
        return tmp_path / name

    return write


Write = Callable[..., Path]


def refusal(path: Path | str) -> str:
    """What the user reads, the hint below it."""
    with pytest.raises(UsageError) as caught:
        load_script(path)
    error = caught.value
    assert error.exit_code == 2
    return "\n".join([error.message, *([error.hint] if error.hint else [])])


def test_what_a_file_defines_is_found_in_order(write: Write) -> None:
    script = load_script(
        write(
            HEAD
            + """
class Feed:
    _is_loadgen_feed = True

items = Feed()
again = items

@session
async def logged_in(user):
    yield

@scenario(weight=0)
async def rare(user): ...

@once
def warm(): ...

@scenario
async def browse(user): ...

also = browse
plan = Plan(users=3)
"""
        )
    )
    assert [one.name for one in script.scenarios] == ["rare", "browse"]
    assert [one.name for one in script.sessions] == ["logged_in"]
    assert [one.name for one in script.onces] == ["warm"]
    assert list(script.feeds) == ["items", "again"]
    assert script.plan is not None
    compiled = script.plan_with().compile()
    assert compiled.script is not None
    assert [one.name for one in compiled.script.scenarios] == ["browse"], "a weight of 0 leaves it out"
    assert [one.name for one in named(script, "rare").scenarios] == ["rare"], "unless it is asked for"


def named(script: Script, *names: str) -> ScriptPlan:
    compiled = script.plan_with(only=names).compile()
    assert compiled.script is not None
    return compiled.script


def test_the_module_is_a_real_one(write: Write, tmp_path: Path) -> None:
    write("TEXT = 'from beside'\n", "helpers_of_shop.py")
    script = load_script(
        write(
            HEAD
            + """
from dataclasses import dataclass
import helpers_of_shop

@dataclass
class Item:
    name: "str"

text = helpers_of_shop.TEXT
here = __file__
"""
            + BROWSE
        )
    )
    assert script.module.__name__ == "loadgen_script_shop"
    assert script.module.text == "from beside"
    assert script.module.here == str(tmp_path / "shop.py")
    assert pickle.loads(pickle.dumps(script.module.Item("a"))) == script.module.Item("a")  # noqa: S301


def test_pythons_own_modules_come_before_files_beside_the_script(write: Write) -> None:
    write("raise RuntimeError('not this one')\n", "sched.py")
    script = load_script(write(f"{HEAD}import sched\nwhere = sched.__file__\n{BROWSE}", "random.py"))
    assert "/lib/python" in script.module.where
    assert script.module.__name__ == "loadgen_script_random"


def test_without_a_plan_it_is_ten_users_for_ten_seconds(write: Write) -> None:
    plan = load_script(write(HEAD + BROWSE)).plan_with()
    assert plan.needs_embedded_target
    assert plan.compile().describe_load() == "10 users for 10s"
    there = plan.at("http://127.0.0.1:4321").compile()
    assert (there.target_url, there.name) == ("http://127.0.0.1:4321", "shop embedded target")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "shop.py: no scenario in this file\nA scenario is an async function of one user"),
        ("async def browse(user): ...", "shop.py:2: browse looks like one: write @scenario above it."),
        ("async def browse(someone: 'User'): ...", "shop.py:2: browse looks like one"),
        ("def f(:\n", "shop.py:2:7: invalid syntax\n  def f(:\n        ^"),
        ("x = (1,\n", "shop.py:2:5: '(' was never closed\n  x = (1,\n      ^"),
        (
            "@scenario\ndef browse(user):\n    await user.get('/')\n",
            (
                "shop.py:4:5: 'await' outside async function\n  await user.get('/')\n  ^\n"
                'browse must be "async def browse(...)"'
            ),
        ),
        ("  x = 1", "shop.py:2:2: unexpected indent"),
        ("x = '\0'", "shop.py"),
        ("@scenario\ndef browse(user): ...", 'shop.py:2: @scenario: browse is a "def"'),
        ("@scenario(weigth=3)\nasync def browse(user): ...", 'Did you mean "weight"?'),
        (
            "@scenario(rate='fast')\nasync def browse(user): ...",
            "shop.py:2: @scenario browse: rate: expected",
        ),
        (
            "plan = Plan(user=3)",
            "shop.py:2: TypeError: Unexpected keyword argument 'user'\n  plan = Plan(user=3)",
        ),
        ("plan = Plan(user=3)", 'Did you mean "users"?'),
        (
            "\n\nplan = Plan(\n    rate='fast',\n)",
            'shop.py:4: rate: expected a rate such as "500/s", got "fast"',
        ),
        ("from loadgen import scenaro", 'shop.py:2: loadgen has no "scenaro"\n'),
        ("from loadgen import scenaro", 'Did you mean "scenario"?'),
        ("import helpers", 'shop.py:2: there is no module "helpers"\n  import helpers\nIf it is a package:'),
        ("import jsom", 'Did you mean "json"?'),
        ("import yaml_not_there", "-m pip install yaml_not_there"),
        ("from . import x", "a script is no package"),
        ("import json.nothing", "json is there, but has no such part."),
        ("d = {}\nd['id']", "shop.py:3: KeyError: 'id'\n  d['id']"),
        ("assert False", "shop.py:2: AssertionError\n  assert False"),
        ("import sys\nsys.exit(3)", "shop.py:3: the script ended itself (sys.exit) while it was loaded"),
        ("raise RuntimeError('one\\ntwo')", "shop.py:2: RuntimeError: one\n"),
        (
            "@scenario\nasync def a(user): ...\n@scenario(name='a')\nasync def b(user): ...",
            'shop.py: two scenarios are called "a": a and b',
        ),
        (
            "@scenario\nasync def a(user): ...\n@scenario\nasync def a(user): ...",
            "shop.py:5: a is defined again, so the one in line 3 would be lost",
        ),
        ("@scenario(weight=0)\nasync def a(user): ...", "all weights are 0"),
        ("@scenario\nasync def a(user):\n    user.get('/')", "shop.py:4: user.get(…) is not awaited"),
        (f"{BROWSE}plan = {{'users': 3}}", "shop.py: plan is not a Plan but dict"),
        (f"{BROWSE}plan = Plan()\nother = Plan(users=3)", "shop.py: more than one Plan: plan, other"),
        (
            "@scenario(rate=5)\nasync def a(user): ...\nplan = Plan(users=5)",
            "shop.py: plan users: every scenario has a load of its own",
        ),
    ],
)
def test_mistakes_are_shown_at_the_users_own_line(write: Write, text: str, words: str) -> None:
    said = refusal(write(HEAD + text))
    assert words in said
    assert "Traceback" not in said


def test_a_mistake_in_a_file_beside_is_shown_there(write: Write) -> None:
    write("def f():\n    return 1 / 0\n", "flows_of_shop.py")
    said = refusal(write(f"{HEAD}import flows_of_shop\nflows_of_shop.f()\n"))
    assert said == "flows_of_shop.py:2: ZeroDivisionError: division by zero\n  return 1 / 0"
    write("def f(:\n", "broken_of_shop.py")
    said = refusal(write(f"{HEAD}import broken_of_shop\n"))
    assert said.startswith("broken_of_shop.py:1:7: invalid syntax")


def test_a_failed_script_leaves_no_module_behind(write: Write) -> None:
    sys.modules.pop("loadgen_script_shop", None)
    refusal(write("1 / 0"))
    assert "loadgen_script_shop" not in sys.modules


def test_files_that_are_none(write: Write, tmp_path: Path) -> None:
    write(HEAD + BROWSE)
    assert refusal("shp.py") == "shp.py: no such file\nDid you mean shop.py?"
    assert refusal("x/other.py") == 'x/other.py: no such file\n"loadgen init" writes a script.'
    assert (
        refusal(tmp_path)
        == f"{tmp_path} is a folder: expected a script, a .py file\nIn it there are shop.py."
    )
    assert "loadgen run FILE.py --url http://h/" in refusal("http://h/")
    write("", "shop.txt")
    assert (
        refusal("shop.txt") == "shop.txt: expected a script, a .py file, or a test of Locust's or Artillery's"
    )


def test_a_module_in_the_working_folder_is_not_in_the_scripts(write: Write, tmp_path: Path) -> None:
    write("", "common_of_shop.py")
    (tmp_path / "load").mkdir()
    said = refusal(write(f"{HEAD}import common_of_shop", "load/shop.py"))
    assert f"common_of_shop.py is in {tmp_path}, but a script imports from its own folder" in said


def test_fields_of_blast_have_no_place_in_a_script(write: Write) -> None:
    script = load_script(write(f"{HEAD}{BROWSE}plan = Plan(url='http://h/', body='x')\n"))
    with pytest.raises(PlanError) as caught:
        script.plan_with()
    assert [str(mistake) for mistake in caught.value.mistakes] == [
        "url: is for blast: a script's plan has base_url",
        "body: is for blast: the scenarios say what is sent",
    ]


def test_stages_of_a_scenario_leave_no_room_for_a_duration(write: Write) -> None:
    text = "@scenario(stages=[Stage('1s', rate=5)])\nasync def a(user): ...\n"
    script = load_script(write(HEAD + text))
    with pytest.raises(UsageError, match="--duration: scenario a has stages, which say how long"):
        script.plan_with({"duration": "5s"}, {"duration": "--duration"})
