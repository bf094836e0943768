"""Mistakes in scripts and in the flags of `loadgen run`: exit code 2, the user's own line, nothing sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.command import CommandResult, Loadgen

SOUND = """\
from loadgen import Plan, User, scenario

@scenario
async def browse(user: User) -> None:
    await user.get("/")

plan = Plan(users=2, arguments={"size": "1"})
"""
# What stands in the script, and what must be said.
SCRIPTS: dict[str, tuple[str, tuple[str, ...]]] = {
    "a syntax error": ("def f(:\n", ("shop.py:1:7: invalid syntax", "  def f(:\n", "        ^")),
    "a missing import": ("import not_there_at_all\n", ("shop.py:1:", "not_there_at_all", "pip install")),
    "an async forgotten": (
        SOUND.replace("async def", "def"),
        ("shop.py:5:5: 'await' outside async function", 'browse must be "async def'),
    ),
    "an async forgotten where nothing waits": (
        SOUND.replace("async def", "def").replace("await ", ""),
        ('@scenario: browse is a "def"', "Write: async def browse(user: User)"),
    ),
    "an await forgotten": (SOUND.replace("await ", ""), ("shop.py:5: user.get(…) is not awaited",)),
    "an unknown argument": (
        SOUND.replace("@scenario", "@scenario(wieght=2)"),
        ("shop.py:3: TypeError", "wieght", 'Did you mean "weight"?'),
    ),
    "a decorator forgotten": (SOUND.replace("@scenario\n", ""), ("browse looks like one: write @scenario",)),
    "nothing at all": ("", ("no scenario in this file", "loadgen init")),
    "an exception": (SOUND + "plan.nothing\n", ("shop.py:8: AttributeError", "  plan.nothing")),
    "a plan with mistakes": (
        SOUND.replace("users=2", "users=0, drain='x'"),
        ("shop.py:7: users: expected a whole number", "shop.py:7: drain: expected a duration"),
    ),
}
FLAGS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "both models": (("--tps", "5", "--users", "5"), ("--users", "--tps")),
    "a scenario nobody knows": (("--scenario", "brows"), ("--scenario", 'did you mean "browse"')),
    "an argument nobody knows": (("--set", "sise=2"), ("--set", 'did you mean "size"')),
    "an argument without a value": (("--set", "size"), ("--set", "NAME=VALUE")),
    "no iterations": (("--iterations", "0"), ("--iterations", "1 or more")),
    "a share of nothing": (("--max-errors", "0%"), ("--max-errors", '"5%"')),
    "a base with a query": (("--url", "http://127.0.0.1/?a=b"), ("--url", "without a query")),
    "a method": (("-X", "POST"), ("-X",)),
    "arrivals of users": (("--users", "5", "--dry-run"), ("--dry-run", "closed model")),
}


def assert_refused(result: CommandResult, *words: str) -> None:
    """Exit code 2, a short message, nothing on stdout, no run folder."""
    assert result.exit_code == 2, result
    assert not result.stdout, result
    assert "Traceback" not in result.stderr, result
    assert result.stderr.startswith("loadgen"), result
    for word in words:
        assert word in result.stderr, result
    assert not list(result.folder.rglob("summary.json")), "what is refused leaves nothing behind"


@pytest.mark.parametrize(("text", "words"), SCRIPTS.values(), ids=SCRIPTS)
def test_a_mistake_in_a_script_is_shown_at_its_line(
    loadgen: Loadgen, tmp_path: Path, text: str, words: tuple[str, ...]
) -> None:
    (tmp_path / "shop.py").write_text(text)
    assert_refused(loadgen("run", "shop.py", folder=tmp_path), *words)


@pytest.mark.parametrize(("arguments", "words"), FLAGS.values(), ids=FLAGS)
def test_a_mistake_in_a_flag_is_named(
    loadgen: Loadgen, tmp_path: Path, arguments: tuple[str, ...], words: tuple[str, ...]
) -> None:
    (tmp_path / "shop.py").write_text(SOUND)
    assert_refused(loadgen("run", "shop.py", *arguments, folder=tmp_path), *words)


def test_a_file_that_is_not_there_is_met_with_the_nearest(loadgen: Loadgen, tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(SOUND)
    assert_refused(loadgen("run", "shp.py", folder=tmp_path), "shp.py: no such file", "Did you mean shop.py?")


def test_the_starter_is_not_written_over(loadgen: Loadgen, tmp_path: Path) -> None:
    first = loadgen("init", folder=tmp_path)
    assert first.exit_code == 0, first
    assert "loadgen run scenario.py" in first.stdout
    assert_refused(loadgen("init", folder=tmp_path), "scenario.py is there already", "--force")


def test_the_starter_runs_as_it_is(loadgen: Loadgen, tmp_path: Path) -> None:
    loadgen("init", folder=tmp_path)
    result = loadgen("run", "scenario.py", "-d", "2s", folder=tmp_path)
    assert result.exit_code == 0, result
    assert result.summary["requests"]["failed"] == 0
    assert {check["failed"] for check in result.summary["checks"]} == {0}
