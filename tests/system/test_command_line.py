"""What people see: plain text where nobody looks, nothing that steers a terminal, and the small commands."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import click
import pytest

from loadgen.cli import group
from tests.support.books import balanced
from tests.support.command import LOADGEN
from tests.support.terminal import run_in_terminal

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import NginxFactory, Target
    from tests.support.command import Loadgen

COMMANDS = group.list_commands(click.Context(group))
# Below ten, so that no share of them is judged: however busy the machine, the exit code is the same.
SHORT = ("--tps", "45", "--duration", "200ms")
ESCAPE = "\x1b"


def is_plain(text: str) -> bool:
    """Nothing but printable characters and ends of lines."""
    return all(character.isprintable() or character == "\n" for character in text)


def test_a_pipe_gets_plain_lines_of_80_columns(loadgen: Loadgen, target: Target) -> None:
    result = loadgen("blast", target.url, *SHORT)
    assert result.exit_code == 0, result
    assert is_plain(result.stdout) and is_plain(result.stderr), result
    table = result.stdout.partition("run folder:")[0].splitlines()
    assert max(map(len, table)) <= 80, result
    for word in ("offered", "sent", "ok", "response", "service", "lateness", "status", "verdict"):
        assert re.search(rf"^{word}\b", result.stdout, re.MULTILINE), result


def test_a_terminal_gets_a_live_view_and_is_left_as_it_was(target: Target, tmp_path: Path) -> None:
    exit_code, shown = run_in_terminal("blast", target.url, *SHORT, folder=tmp_path)
    assert exit_code == 0, shown
    assert ESCAPE in shown, "the view is drawn in place"
    assert shown.count(f"{ESCAPE}[?25h") >= shown.count(f"{ESCAPE}[?25l") > 0, "the cursor is shown again"
    assert "verdict: pass" in shown


def test_the_live_view_draws_curves_and_says_how_thresholds_stand(target: Target, tmp_path: Path) -> None:
    hostile = "GET /\x1b[2J\u202eevil: p50 < 1s"
    thresholds = ("errors > 50% over 1s", "p50 < 10s", "requests > 1000", hostile)
    (tmp_path / "scenario.py").write_text(
        "from loadgen import scenario\n\n@scenario\nasync def ask(user):\n    await user.get('/')\n"
    )
    exit_code, shown = run_in_terminal(
        *("run", "scenario.py", "--url", target.url, "--tps", "45", "--duration", "2200ms"),
        *(part for threshold in thresholds for part in ("--threshold", threshold)),
        folder=tmp_path,
    )
    assert exit_code in (1, 3), shown
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown)
    assert re.search(r"rate +[▁▂▃▄▅▆▇█]{2} +begun, up to 4\d", text), text
    assert re.search(r"p99 +[▁▂▃▄▅▆▇█]{2} +up to ", text), text
    assert re.search(r"thresholds +FAIL +0 % +errors > 50% over 1s", text), text
    assert re.search(r"pass +\S+ \S+ +p50 < 10s", text), text
    assert re.search(r"no data +\d+ +requests > 1000", text), text
    assert re.search(r"no data +GET /\\x1b\[2J\\u202eevil: p50 < 1s", text), text
    assert '"errors > 50% over 1s" fails: 0 % in the 1s up to 1.' in text, text
    assert not [part for part in ("\x1b[2J", "\u202e") if part in shown], repr(shown)


@pytest.mark.parametrize(
    ("arguments", "environment"),
    [((), {"NO_COLOR": "1"}), ((), {"TERM": "dumb"}), (("--no-live",), {})],
    ids=["NO_COLOR", "a dumb terminal", "--no-live"],
)
def test_a_terminal_gets_plain_lines_where_asked_for(
    target: Target, tmp_path: Path, arguments: tuple[str, ...], environment: dict[str, str]
) -> None:
    exit_code, shown = run_in_terminal(
        "blast", target.url, *SHORT, *arguments, folder=tmp_path, environment=environment
    )
    assert exit_code == 0, shown
    assert is_plain(shown.replace("\r\n", "\n")), shown
    assert "GET /" in shown and "verdict: pass" in shown


def test_quiet_leaves_nothing_but_the_table(loadgen: Loadgen, target: Target) -> None:
    result = loadgen("blast", target.url, *SHORT, "--quiet")
    assert result.exit_code == 0, result
    assert result.stderr == "", result
    assert "verdict: pass" in result.stdout


def test_a_path_in_any_script_arrives_encoded(loadgen: Loadgen, nginx: NginxFactory) -> None:
    server = nginx()
    result = loadgen("blast", f"{server.url}/größe/日本 %41?q=ä&r=%2F", *SHORT)
    summary = balanced(result)
    assert summary["requests"]["status"] == {"200": 9}, result
    encoded = "/gr%C3%B6%C3%9Fe/%E6%97%A5%E6%9C%AC%20%41"
    assert {line.uri for line in server.access_log()} == {f"{encoded}?q=%C3%A4&r=%2F"}
    assert summary["labels"][0]["label"] == f"GET {encoded}"


def test_what_could_steer_a_terminal_is_shown_as_text(
    loadgen: Loadgen, target: Target, tmp_path: Path
) -> None:
    hostile = "\x1b]0;owned\x07\x1b[2J\r\n\u202eevil"
    arguments = ("blast", f"{target.url}/\u202eevil", *SHORT, "--name", f"night{hostile}", "--out", "run")
    result = loadgen(*arguments)
    assert result.exit_code == 0, result
    assert is_plain(result.stdout) and is_plain(result.stderr), result
    assert "night" in result.stdout
    assert balanced(result)["labels"][0]["label"] == "GET /%E2%80%AEevil"
    _, shown = run_in_terminal(*arguments, folder=tmp_path)
    assert "night" in shown
    assert not [part for part in ("\x1b]0;", "\x1b[2J", "\u202e") if part in shown], repr(shown)


@pytest.mark.parametrize("option", ["URL", "--tps", "--threshold", "--header", "--nothing"])
def test_a_mistake_that_could_steer_a_terminal_is_shown_as_text(
    loadgen: Loadgen, target: Target, option: str
) -> None:
    hostile = "\x1b]0;owned\x07\x1b[2J\r\n\u202eevil"
    arguments = {"URL": (f"{target.url}/{hostile}",), "--nothing": (target.url, f"--nothing{hostile}")}
    refused = loadgen("blast", *arguments.get(option, (target.url, option, hostile)))
    assert refused.exit_code == 2, refused
    assert is_plain(refused.stderr) and option in refused.stderr, refused


def test_the_version_is_that_of_the_package(loadgen: Loadgen) -> None:
    result = loadgen("--version")
    assert result.exit_code == 0, result
    assert re.fullmatch(r"loadgen \d+\.\d+\.\d+\S*\n", result.stdout), result
    module = subprocess.run(
        [sys.executable, "-m", "loadgen", "--version"],
        capture_output=True,
        text=True,
        cwd="/",
        timeout=30,
        check=False,
    )
    assert (module.returncode, module.stdout, module.stderr) == (0, result.stdout, "")


@pytest.mark.parametrize(
    "command",
    [(), *((name,) for name in COMMANDS if name != "locust")],  # which has Locust's
    ids=["loadgen", *(name for name in COMMANDS if name != "locust")],
)
@pytest.mark.parametrize("option", ["-h", "--help"])
def test_every_command_has_help_with_examples(
    loadgen: Loadgen, command: tuple[str, ...], option: str
) -> None:
    result = loadgen(*command, option)
    assert result.exit_code == 0, result
    assert "Examples:" in result.stdout and not result.stderr, result
    assert max(map(len, result.stdout.splitlines())) <= 80, result


def test_the_doctor_tells_people_and_programs_the_same(loadgen: Loadgen) -> None:
    people, programs = loadgen("doctor"), loadgen("doctor", "--json")
    assert (people.exit_code, programs.exit_code) == (0, 0), people
    findings = json.loads(programs.stdout)
    assert {"descriptors", "local ports", "somaxconn", "timer slack", "clock source", "processors"} <= {
        finding["name"] for finding in findings
    }
    for finding in findings:
        assert finding["status"] in ("ok", "warn", "unknown")
        assert finding["advice"] or finding["status"] != "warn", "a warning comes with its remedy"
        assert re.search(rf"^{finding['status']} +{re.escape(finding['name'])} ", people.stdout, re.MULTILINE)
    assert is_plain(people.stdout)


def test_every_option_reads_the_environment(loadgen: Loadgen, target: Target) -> None:
    environment = {
        "LOADGEN_TPS": "50",
        "LOADGEN_DURATION": "200ms",
        "LOADGEN_REQUEST": "POST",
        "LOADGEN_HEADER": "X-One: 1\nX-Two: 2",
        "LOADGEN_BODY": "hello",
        "LOADGEN_THRESHOLD": "errors < 1%\nok >= 10",
        "LOADGEN_OUT": "elsewhere",
        "LOADGEN_QUIET": "1",
    }
    result = loadgen("blast", f"{target.url}/echo", environment=environment)
    summary = balanced(result)
    assert summary["requests"]["status"] == {"200": 10}, result
    assert [threshold["passed"] for threshold in summary["thresholds"]] == [True, True]
    assert result.run_folder == result.folder / "elsewhere"
    assert result.stderr == "", result
    request = summary["plan"]["request"]
    assert (request["method"], request["headers"]) == ("POST", [["X-One", "1"], ["X-Two", "2"]])
    assert summary["plan"]["origins"]["rate"] == "LOADGEN_TPS"
    # What is typed goes before what the environment says.
    typed = loadgen("blast", target.url, "--tps", "100", environment={**environment, "LOADGEN_BODY": ""})
    assert typed.summary["plan"]["load"]["stages"][0]["from_rate"] == 100.0


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", "<&- >&- 2>&-"])
def test_a_stream_that_is_closed_is_none_that_is_needed(target: Target, tmp_path: Path, closed: str) -> None:
    for command in (f"blast {target.url} {' '.join(SHORT)} --out run", "doctor", "--version"):
        shown = subprocess.run(
            ["bash", "-c", f"'{LOADGEN}' {command} {closed}"],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            timeout=30,
            check=False,
        )
        assert (shown.returncode, "Traceback" in shown.stderr) == (0, False), (command, shown)
    assert json.loads((tmp_path / "run/summary.json").read_text())["requests"]["ok"] == 9


def test_an_interrupt_while_the_command_is_loaded_shows_no_traceback(
    loadgen: Loadgen, tmp_path: Path
) -> None:
    (tmp_path / "click.py").write_text("raise KeyboardInterrupt")
    result = loadgen("doctor", environment={"PYTHONPATH": str(tmp_path)})
    assert (result.exit_code, result.stdout, result.stderr) == (130, "", ""), result


def test_what_cannot_be_printed_changes_no_verdict(target: Target, tmp_path: Path) -> None:
    command = f"'{LOADGEN}' blast {target.url} {' '.join(SHORT)} --quiet --summary-json copy.json"
    for number, (out, threshold, exit_code, words) in enumerate(
        [
            ("> /dev/full", "p50 < 10s", 0, "stdout cannot be written: No space left on device"),
            ("> /dev/full", "p50 < 1ns", 1, "stdout cannot be written: No space left on device"),
            ("| true", "p50 < 1ns", 1, ""),
        ]
    ):
        folder = tmp_path / str(number)
        folder.mkdir()
        shown = subprocess.run(
            ["bash", "-c", f"set -o pipefail; {command} --threshold '{threshold}' {out}"],
            capture_output=True,
            text=True,
            cwd=folder,
            timeout=30,
            check=False,
        )
        assert shown.returncode == exit_code, shown
        assert words in shown.stderr and "Traceback" not in shown.stderr, shown
        assert json.loads((folder / "copy.json").read_text())["exit_code"] == exit_code


def test_a_table_comes_in_any_encoding(loadgen: Loadgen, target: Target) -> None:
    result = loadgen("blast", target.url, *SHORT, environment={"PYTHONIOENCODING": "iso8859-5"})
    assert result.exit_code == 0, result
    assert "verdict: pass" in result.stdout and "?s" in result.stdout, result


def test_a_bare_command_shows_the_help(loadgen: Loadgen) -> None:
    result = loadgen()
    assert result.exit_code == 2, result
    assert result.stderr == loadgen("--help").stdout, result


def test_a_reader_that_has_seen_enough_ends_a_dry_run_in_peace(loadgen: Loadgen, tmp_path: Path) -> None:
    shown = subprocess.run(
        ["bash", "-c", f"set -o pipefail; '{LOADGEN}' blast --tps 1000000 --dry-run | head -n 3"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=30,
        check=False,
    )
    assert shown.stdout.splitlines() == ["0 0.000000000", "1 0.000001000", "2 0.000002000"]
    assert (shown.returncode, shown.stderr) == (0, "")
    assert loadgen("blast", "--users", "5", "--dry-run").exit_code == 2
