"""`loadgen run`: from a script, flags and the environment to a plan, and the list of arrivals."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from loadgen.cli import call
from loadgen.cli.run import make_plan, run
from loadgen.engine_plan import ClosedLoad, EnginePlan, OpenLoad, ScriptPlan
from loadgen.errors import PlanError, UsageError
from loadgen.script import Script

SECOND = 1_000_000_000
SCRIPT = """
from loadgen import Plan, scenario

@scenario(weight=3)
async def browse(user): ...

@scenario(rate="4/s")
async def poll(user): ...

plan = Plan(base_url="http://127.0.0.1:8000", users=7, duration="1s", headers={"A": "b", "C": "d"},
            arguments={"size": "small"}, thresholds=["p99 < 1s"])
"""


@pytest.fixture
def script(tmp_path: Path) -> str:
    path = tmp_path / "shop.py"
    path.write_text(SCRIPT)
    return str(path)


def compile_plan(*arguments: str, **environment: str) -> EnginePlan:
    """The plan that `loadgen run` would run."""
    made: list[EnginePlan] = []

    @click.command(params=run.params)
    @click.pass_context
    def probe(ctx: click.Context, /, file: str, **values: Any) -> None:
        made.append(make_plan(ctx, file, values)[1].compile())

    variables = {f"LOADGEN_{name}": value for name, value in environment.items()}
    outcome = CliRunner().invoke(probe, arguments, env=variables, standalone_mode=False)
    if outcome.exception:
        raise outcome.exception
    return made[0]


def script_of(plan: EnginePlan) -> ScriptPlan:
    assert plan.script is not None
    return plan.script


def test_without_flags_it_is_the_plan_of_the_script(script: str) -> None:
    plan = compile_plan(script)
    assert (plan.name, plan.command) == ("shop 127.0.0.1:8000", "run")
    assert plan.describe_load() == "4/s and 7 users for 1s"
    assert script_of(plan).path == script
    assert script_of(plan).base_url == plan.target_url == "http://127.0.0.1:8000"
    assert set(plan.origins.values()) == {"plan"}


def test_a_load_on_the_command_line_replaces_all_loads_of_the_script(script: str) -> None:
    plan = compile_plan(script, "--tps", "50")
    assert isinstance(plan.load, OpenLoad)
    assert [(one.name, one.weight, one.load) for one in script_of(plan).scenarios] == [
        ("browse", 3.0, None),
        ("poll", 1.0, None),
    ]
    assert plan.duration_ns == SECOND, "how long it lasts is not how much it is"
    assert plan.origins["rate"] == "--tps"
    assert "users" not in plan.origins
    assert compile_plan(script, "--stage", "2s:5").duration_ns == 2 * SECOND
    assert isinstance(compile_plan(script, TPS="5").load, OpenLoad)
    assert isinstance(compile_plan(script, "--users", "3", TPS="5").load, ClosedLoad)


def test_a_duration_alone_is_that_of_all_loads(script: str) -> None:
    plan = compile_plan(script, "-d", "3s")
    assert [type(load).__name__ for load in plan.loads] == ["ClosedLoad", "OpenLoad"]
    assert plan.describe_load() == "4/s and 7 users for 3s"


def test_other_flags_come_before_the_plan(script: str) -> None:
    plan = compile_plan(
        *(
            script,
            "--host",
            "http://[::1]:81/api/",
            "-H",
            "a: x",
            "--set",
            "size=large=",
            "--iterations",
            "9",
        ),
        *("--max-errors", "5%", "--max-users", "20", "--threshold", "errors < 1%", "--name", "mine"),
        TIMEOUT="2s",
    )
    found = script_of(plan)
    assert found.base_url == "http://[::1]:81/api"
    assert found.headers == [("C", "d"), ("a", "x")]
    assert found.arguments == {"size": "large="}
    assert (found.iterations, found.max_users) == (9, 20)
    assert found.max_errors is not None
    assert found.max_errors.share == 0.05
    assert (plan.timeout_ns, plan.thresholds, plan.name) == (2 * SECOND, ["errors < 1%"], "mine")
    assert plan.origins["base_url"] == "--url"
    assert plan.origins["arguments"] == "--set"
    assert plan.origins["timeout"] == "LOADGEN_TIMEOUT"


def test_one_scenario_may_be_picked(script: str) -> None:
    assert [one.name for one in script_of(compile_plan(script, "--scenario", "browse")).scenarios] == [
        "browse"
    ]
    assert compile_plan(script, "--scenario", "poll").describe_load() == "4/s for 1s"
    plan = compile_plan(script, "--scenario", "poll", "--users", "2")
    assert [(one.name, one.weight) for one in script_of(plan).scenarios] == [("poll", 1.0)]
    with pytest.raises(UsageError, match=r'no scenario "brows" in .*: did you mean "browse"'):
        compile_plan(script, "--scenario", "brows")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--set", "size"], "--set: expected NAME=VALUE"),
        (["--set", "sise=5"], '--set: the script has no argument "sise": did you mean "size"'),
        (["--tps", "fast"], "--tps: expected a rate"),
        (["--url", "http://h/?a=b"], "--url: expected a base for paths, without a query"),
        (["--url", "ftp://h/"], '--url: the scheme "ftp" is not supported'),
        (["--max-errors", "0"], "--max-errors: expected a number of iterations such as 100"),
        (["--iterations", "0"], "--iterations: expected a whole number"),
        (["--tps", "5", "--iterations-per-user", "5"], "--iterations-per-user: needs users"),
        (["--users", "5", "--arrivals", "poisson"], "--arrivals: needs a rate"),
        (["--scenario", "poll", "--threshold", "p99"], "--threshold: expected METRIC OP VALUE"),
    ],
)
def test_mistakes_name_the_flag(script: str, arguments: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message.replace("(", r"\(").replace("?", r"\?")):
        compile_plan(script, *arguments)


def test_all_mistakes_come_together(script: str) -> None:
    with pytest.raises(PlanError) as caught:
        compile_plan(script, "--users", "0", "--drain", "x", "--max-errors", "x", WORKERS="many")
    places = [mistake.place for mistake in caught.value.mistakes]
    assert sorted(places) == ["--drain", "--max-errors", "--users", "LOADGEN_WORKERS"]


def test_the_arrivals_of_several_scenarios_are_printed_with_their_names(
    script: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(["run", script, "--dry-run", "-d", "500ms"]) == 0
    assert capsys.readouterr().out == "0 0.000000000 poll\n1 0.250000000 poll\n"
    assert call(["run", script, "--dry-run", "--tps", "2", "--scenario", "poll"]) == 0
    assert capsys.readouterr().out == "0 0.000000000\n1 0.500000000\n"
    assert call(["run", script, "--dry-run", "--users", "2"]) == 2
    assert "--dry-run: the closed model has no arrivals to print" in capsys.readouterr().err


def test_debug_is_given_a_plan_that_has_a_target(script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[EnginePlan] = []

    def debug_run(_script: Script, plan: EnginePlan) -> int:
        seen.append(plan)
        return 5

    monkeypatch.setattr("loadgen.testing.debug_run", debug_run)
    assert call(["run", script, "--debug", "--set", "size=9"]) == 5
    Path(script).write_text(SCRIPT.replace('base_url="http://127.0.0.1:8000", ', ""))
    assert call(["run", script, "--debug"]) == 5
    assert seen[0].target_url == "http://127.0.0.1:8000"
    assert script_of(seen[0]).arguments == {"size": "9"}
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+", seen[1].target_url)
