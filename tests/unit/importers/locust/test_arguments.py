"""Locust's command line: flags, variables, files, and which of them counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from loadgen.errors import UsageError
from loadgen.importers.locust.arguments import GONE, make_parser, parse_timespan

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No file of whoever runs the tests is read."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_flags_have_the_names_that_files_read() -> None:
    words = [
        "-f",
        "a.py,b",
        "-u",
        "10",
        "-r",
        "2.5",
        "-t",
        "1h20m",
        "-H",
        "http://h",
        "--headless",
        "-T",
        "x",
        "y",
        "-E",
        "z",
        "--csv",
        "out",
        "-s",
        "5",
        "A",
        "B",
    ]
    found = make_parser().read([*words[:-2], "--only-summary", *words[-2:]])
    assert (found.locustfile, found.num_users, found.spawn_rate, found.run_time) == ("a.py,b", 10, 2.5, 4800)
    assert (found.host, found.headless, found.tags, found.exclude_tags) == (
        "http://h",
        True,
        ["x", "y"],
        ["z"],
    )
    assert (found.csv_prefix, found.stop_timeout, found.user_classes) == ("out", 5, ["A", "B"])
    assert found.exit_code_on_error == 1


def test_what_is_said_nearer_counts(alone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def users(*words: str) -> object:
        return make_parser().read(words).num_users

    (alone / "home" / ".locust.conf").write_text("users = 1\nheadless\n# a comment\ntags = [a, b]\n")
    assert users() == 1
    assert make_parser().read([]).headless
    assert make_parser().read([]).tags == ["a", "b"]
    (alone / "locust.conf").write_text("users: 2")
    assert users() == 2
    (alone / "pyproject.toml").write_text("[tool.locust]\nusers = 3\nexclude-tags = ['c', 'd']\n")
    assert users() == 3
    assert make_parser().read([]).exclude_tags == ["c", "d"]
    (alone / "more.conf").write_text("users 4")
    assert users("--config", "more.conf") == 4
    monkeypatch.setenv("LOCUST_USERS", "5")
    assert users("--config=more.conf") == 5
    assert users("-u", "6") == 6


def test_a_variable_turns_a_flag_on_or_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCUST_HEADLESS", "true")
    monkeypatch.setenv("LOCUST_ONLY_SUMMARY", "false")
    monkeypatch.setenv("LOCUST_TAGS", "a b")
    found = make_parser().read([])
    assert (found.headless, found.only_summary, found.tags) == (True, False, ["a", "b"])
    monkeypatch.setenv("LOCUST_HEADLESS", "perhaps")
    with pytest.raises(UsageError, match="LOCUST_HEADLESS: expected true or false"):
        make_parser().read([])


@pytest.mark.parametrize("name", GONE)
def test_what_is_gone_is_named_with_what_to_do(name: str) -> None:
    with pytest.raises(UsageError, match=f"{name} is gone: "):
        make_parser().read([name, "3"])


def test_a_file_adds_arguments_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    parser = make_parser()
    assert parser.read(["--size", "3", "-u", "1"], partly=True).num_users == 1
    parser.add_argument("--size", type=int, default=1, env_var="SIZE", include_in_web_ui=True)
    parser.add_argument("--key", is_secret=True, default="")
    group = parser.add_argument_group("of the file")
    group.add_argument("--many", is_multiple=True, env_var="MANY")
    found = parser.read(["--size", "3", "--many", "a", "b"])
    assert (found.size, found.key, found.many) == (3, "", ["a", "b"])
    assert parser.secrets == {"key"}
    monkeypatch.setenv("SIZE", "4")
    monkeypatch.setenv("MANY", "x y")
    found = parser.read([])
    assert (found.size, found.many) == (4, ["x", "y"])


@pytest.mark.parametrize(
    "words", [["--nothing"], ["-u", "x"], ["-r", "0"], ["-t", "soon"], ["--config", "no.conf"]]
)
def test_a_mistake_is_told_in_a_line(words: list[str]) -> None:
    with pytest.raises(UsageError) as caught:
        make_parser().read(words)
    assert "\n" not in caught.value.message


@pytest.mark.parametrize(
    ("text", "seconds"), [("20", 20), ("20s", 20), ("3m", 180), ("2h", 7200), ("3h30m10s", 12610)]
)
def test_times(text: str, seconds: int) -> None:
    assert parse_timespan(text) == seconds


def test_a_time_that_is_none() -> None:
    with pytest.raises(ValueError, match="expected a time"):
        parse_timespan("1x")


def test_classes_may_be_named_by_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCUST_USER_CLASSES", "A B")
    assert make_parser().read([]).user_classes == ["A", "B"]
    assert make_parser().read(["C"]).user_classes == ["C"]


def test_a_key_that_is_no_option_is_a_mistake(alone: Path) -> None:
    (alone / "locust.conf").write_text("user = 2\n")
    assert make_parser().read([], partly=True).num_users is None
    with pytest.raises(UsageError, match="--user=2"):
        make_parser().read([])
