"""From the command line and the environment to a plan; flags win, and everything knows where it came from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from loadgen.cli import call
from loadgen.cli.blast import blast, make_plan
from loadgen.cli.doctor import doctor
from loadgen.cli.options import read_body
from loadgen.cli.run import run
from loadgen.cli.target import target
from loadgen.cli.ws import ws
from loadgen.engine_plan import ClosedLoad, EnginePlan, OpenLoad
from loadgen.errors import LoadgenError, PlanError, UsageError


def compile_plan(*arguments: str, **environment: str) -> EnginePlan:
    """The plan that `loadgen blast` would run."""
    made: list[EnginePlan] = []

    @click.command(params=blast.params)
    @click.pass_context
    def probe(ctx: click.Context, /, url: str | None, **values: Any) -> None:
        made.append(make_plan(ctx, url, values).compile())

    variables = {f"LOADGEN_{name}": value for name, value in environment.items()}
    outcome = CliRunner().invoke(probe, arguments, env=variables, standalone_mode=False)
    if outcome.exception:
        raise outcome.exception
    return made[0]


def test_flags_make_a_plan() -> None:
    plan = compile_plan(
        *(
            "http://host:81/a?b=c",
            "--tps",
            "300/m",
            "-d",
            "1m",
            "-X",
            "PUT",
            "-H",
            "A: b: c",
            "-H",
            "D:",
            "--body",
            "é",
        ),
        *("-c", "5", "-w", "3", "--pacing", "eco", "--timeout", "1s", "--drain", "0s", "--reactor", "epoll"),
        *("--threshold", "p99 < 1s", "--threshold", "errors < 1%", "--name", "mine", "--seed", "9"),
    )
    assert isinstance(plan.load, OpenLoad)
    assert plan.request is not None
    assert (plan.load.stages[0].from_rate, plan.duration_ns, plan.load.seed) == (5.0, 60_000_000_000, 9)
    assert plan.request.headers == [("A", "b: c"), ("D", "")]
    assert (plan.request.method, plan.request.body) == ("PUT", "é".encode())
    assert (plan.connections, plan.workers, plan.pacing, plan.reactor) == (5, 3, "eco", "epoll")
    assert (plan.timeout_ns, plan.drain_ns, plan.name) == (1_000_000_000, 0, "mine")
    assert plan.thresholds == ["p99 < 1s", "errors < 1%"]


@pytest.mark.parametrize("command", [blast, run, ws])
def test_every_option_reads_its_variable(command: click.Command) -> None:
    for option in command.params:
        if isinstance(option, click.Option):
            long = next(name for name in option.opts if name.startswith("--"))
            assert option.envvar == "LOADGEN_" + long[2:].upper().replace("-", "_")


def test_the_target_has_variables_of_its_own() -> None:
    found = {str(option.envvar) for option in target.params if isinstance(option, click.Option)}
    own = {name for name in found if not name.startswith("LOADGEN_FEED")}
    assert own == {"LOADGEN_TARGET_HOST", "LOADGEN_TARGET_PORT", "LOADGEN_TARGET_LOG"}
    assert [option.envvar for option in doctor.params if isinstance(option, click.Option)] == [None]


def test_origins_are_kept() -> None:
    plan = compile_plan(
        "/items", "--tps", "5", "--preset", "spike", "--json", "{}", TIMEOUT="2s", DURATION="9s"
    )
    assert plan.origins == {
        "url": "URL",
        "rate": "--tps",
        "preset": "--preset spike",
        "headers": "--json",
        "body": "--json",
        "timeout": "LOADGEN_TIMEOUT",
        "duration": "LOADGEN_DURATION",
    }


def test_several_values_in_the_environment_are_lines() -> None:
    plan = compile_plan(THRESHOLD="p99 < 1s\nerrors < 1%", HEADER="A: b\nC: d; e")
    assert plan.thresholds == ["p99 < 1s", "errors < 1%"]
    assert plan.request is not None
    assert plan.request.headers == [("A", "b"), ("C", "d; e")]


def test_a_load_on_the_command_line_sets_the_environments_aside() -> None:
    assert isinstance(compile_plan("--users", "3", TPS="500").load, ClosedLoad)
    assert isinstance(compile_plan("--stage", "1s:5", TPS="500", DURATION="3s", PRESET="load").load, OpenLoad)
    assert len(compile_plan("--tps", "5", PRESET="spike").load.stages) == 1
    spike = compile_plan("--preset", "spike", TPS="500").load
    assert isinstance(spike, ClosedLoad)
    assert spike.most_users == 100


def test_two_loads_of_one_origin_are_a_mistake() -> None:
    with pytest.raises(PlanError, match="--users: cannot be used with --tps"):
        compile_plan("--users", "3", "--tps", "5")
    with pytest.raises(PlanError, match="LOADGEN_USERS: cannot be used with LOADGEN_TPS"):
        compile_plan(TPS="5", USERS="5")


def test_mistakes_name_the_flag_or_the_variable() -> None:
    with pytest.raises(PlanError) as caught:
        compile_plan("--tps", "fast", "-d", "-1s", PACING="slow")
    assert [mistake.place for mistake in caught.value.mistakes] == ["--tps", "--duration", "LOADGEN_PACING"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--stage", "5"], "--stage: expected T:RATE"),
        (["-H", "nonsense"], "--header: expected NAME:VALUE"),
        (["--json", "{"], "--json: expected a JSON document"),
        (["--json", "1", "--body", "x"], "--json: cannot be used with --body"),
        (["--body-file", "/nonexistent"], "--body-file: /nonexistent cannot be read: No such file"),
    ],
)
def test_what_cannot_be_read_is_said(arguments: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        compile_plan(*arguments)


FLAGS = {"body": "--body", "body_file": "--body-file", "json_text": "--json"}


def test_json_brings_its_headers_where_they_are_not_given() -> None:
    headers = [("accept", "text/plain")]
    values = {"body": None, "body_file": None, "json_text": '{"a": 1}'}
    assert read_body(values, FLAGS, headers) == b'{"a": 1}'
    assert headers == [("accept", "text/plain"), ("Content-Type", "application/json")]


def test_a_body_comes_from_a_file_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "body").write_bytes(b"\x00\xff\n")
    values = {"body": None, "body_file": str(tmp_path / "body"), "json_text": None}
    assert read_body(values, FLAGS, []) == b"\x00\xff\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["blast", "--tps", "fast"], 'loadgen: --tps: expected a rate such as "500/s", got "fast"\n'),
        (["blast", "--tpz", "5"], "No such option '--tpz'"),
        (["blst"], 'no command "blst", did you mean "blast"?'),
        (["quux"], 'no command "quux": there are blast, run, quick, locust, ws, find-max, init, convert'),
        (["blast", "--tps"], "requires an argument"),
        (["target", "--log", "/nope/x"], "--log: /nope/x cannot be written: No such file"),
        ([], "Generate load on a server and measure it honestly.\n"),
        (["blast", "a", "b"], "unexpected extra argument"),
        (["blast", "--users", "5", "--dry-run"], "--dry-run: the closed model has no arrivals to print"),
    ],
)
def test_mistakes_end_in_words_and_exit_code_2(
    capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    assert call(arguments) == 2
    captured = capsys.readouterr()
    assert words in captured.err
    assert "Traceback" not in captured.err
    assert captured.out == ""


def test_a_schedule_is_printed_and_not_played(capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["blast", "--tps", "4", "-d", "1s", "--dry-run"]) == 0
    assert capsys.readouterr().out == "0 0.000000000\n1 0.250000000\n2 0.500000000\n3 0.750000000\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        *(
            [name, "-h"]
            for name in ("blast", "run", "ws", "init", "history", "compare", "target", "doctor", "find-max")
        ),
    ],
)
def test_help_has_examples_and_fits_the_page(
    capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    assert call(arguments) == 0
    text = capsys.readouterr().out
    assert "Examples:" in text
    assert [line for line in text.splitlines() if len(line) > 80] == []


def test_mistakes_are_all_of_one_family() -> None:
    assert issubclass(PlanError, UsageError)
    assert issubclass(UsageError, LoadgenError)
