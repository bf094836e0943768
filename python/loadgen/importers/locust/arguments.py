"""Locust's command line: its flags, what files add to them, LOCUST_ variables, configuration files.

    ~/.locust.conf < ./locust.conf < ./pyproject.toml < --config FILE < LOCUST_ variables < flags

What stands further right counts. All of it is turned into flags and read once.
"""

from __future__ import annotations

import argparse
import logging
import os
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NoReturn

from loadgen.errors import UsageError
from loadgen.units import quoted

# Words that turn a flag on.
_TRUE = frozenset({"true", "yes", "on", "1"})
_FALSE = frozenset({"false", "no", "off", "0", ""})
# What files may say of their arguments beyond what argparse knows.
_BEYOND = ("include_in_web_ui", "is_secret", "is_required", "is_multiple")
GONE = {
    "--web-auth": "write a login of your own; the live page has a token",
    "--legacy-ui": "there is one live page: --page",
    "--slave": "it is called --worker",
    "--expect-slaves": "it is called --expect-workers",
    "-n": "give a run time: -t",
}


class LocustArgumentParser(argparse.ArgumentParser):
    """argparse, which also says of each argument which variable it reads."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.variables: dict[str, argparse.Action] = {}
        self.secrets: set[str] = set()

    def add_argument(self, *args: Any, **kwargs: Any) -> argparse.Action:
        """As argparse has it, with `env_var` and what the page would want to know."""
        variable = kwargs.pop("env_var", None)
        said = {name: kwargs.pop(name) for name in _BEYOND if name in kwargs}
        if said.get("is_multiple"):
            kwargs.setdefault("nargs", "*")
        action = super().add_argument(*args, **kwargs)
        if variable:
            self.variables[variable] = action
        if said.get("is_secret"):
            self.secrets.add(action.dest)
        return action

    def add_argument_group(self, *args: Any, **kwargs: Any) -> Any:
        """A group whose arguments are this parser's."""
        group = super().add_argument_group(*args, **kwargs)
        add = group.add_argument

        def adds(*names: Any, **settings: Any) -> argparse.Action:
            variable = settings.pop("env_var", None)
            said = {name: settings.pop(name) for name in _BEYOND if name in settings}
            if said.get("is_multiple"):
                settings.setdefault("nargs", "*")
            action: argparse.Action = add(*names, **settings)
            if variable:
                self.variables[variable] = action
            if said.get("is_secret"):
                self.secrets.add(action.dest)
            return action

        group.add_argument = adds  # type: ignore[method-assign]
        return group

    def error(self, message: str) -> NoReturn:
        """A mistake of the user's, in a line."""
        found = re.search(r"^unrecognized arguments:.*?(--[^\s=]+)", message)
        known = [name for name, one in self._option_string_actions.items() if one.help != argparse.SUPPRESS]
        near = get_close_matches(found[1], known, n=1) if found else []
        meant = f"Did you mean {near[0]}? " if near else ""
        raise UsageError(message, hint=f'{meant}"loadgen locust --help" lists the options.')

    def read(self, arguments: Sequence[str], *, partly: bool = False) -> argparse.Namespace:
        """All that is said, wherever it is. `partly`: what is not known may become so."""
        for word in arguments:
            name = word.partition("=")[0]
            if name in GONE and name not in self._option_string_actions:
                raise UsageError(f"{name} is gone: {GONE[name]}")
        given = list(arguments)
        before = [*self._configured(given), *self._from_variables()]
        if partly:
            return self.parse_known_intermixed_args([*before, *given])[0]
        found = self.parse_intermixed_args([*before, *given])
        for variable, action in self.variables.items():
            if not (action.option_strings or getattr(found, action.dest)):
                setattr(found, action.dest, os.environ.get(variable, "").split())
        return found

    def _from_variables(self) -> Iterator[str]:
        for variable, action in self.variables.items():
            value = os.environ.get(variable)
            if value is not None and action.option_strings:
                yield from self._as_flags(action, value, variable)

    def _configured(self, given: Sequence[str]) -> Iterator[str]:
        files = [Path.home() / ".locust.conf", Path("locust.conf"), Path("pyproject.toml")]
        for index, word in enumerate(given):
            name, equals, value = word.partition("=")
            if name == "--config":
                files.append(Path(value if equals else "".join(given[index + 1 : index + 2])))
                if not files[-1].is_file():
                    raise UsageError(f"--config: {files[-1]} cannot be read")
        for file in files:
            if file.is_file():
                for key, value in _read_config(file):
                    action = self._option_string_actions.get(f"--{key}")
                    if action is None:  # of the file's own, or a mistake
                        yield f"--{key}={value}"
                    else:
                        yield from self._as_flags(action, value, f"{file}: {key}")

    def _as_flags(self, action: argparse.Action, value: Any, place: str) -> Iterator[str]:
        flag = max(action.option_strings, key=len)
        if action.nargs == 0:
            word = str(value).strip().lower()
            if word not in _TRUE | _FALSE:
                raise UsageError(f"{place}: expected true or false, got {quoted(str(value))}")
            if word in _TRUE:
                yield flag
            return
        many = action.nargs in ("*", "+")
        words = value if isinstance(value, list) else str(value).split() if many else [str(value)]
        if isinstance(action, argparse._AppendAction):
            for word in words:
                yield f"{flag}={word}"
        elif many:
            yield flag
            yield from map(str, words)
        else:
            yield f"{flag}={' '.join(map(str, words))}"


def _read_config(file: Path) -> Iterator[tuple[str, Any]]:
    """Its keys, by the long names of flags."""
    try:
        text = file.read_text(encoding="utf-8")
        if file.suffix == ".toml":
            table = tomllib.loads(text).get("tool", {}).get("locust", {})
            yield from ((key.replace("_", "-"), value) for key, value in table.items())
            return
    except (OSError, ValueError) as error:
        raise UsageError(f"{file}: {error}") from None
    for line in text.splitlines():
        line = line.strip()  # noqa: PLW2901 - of the same line
        if not line or line[0] in "#;[" or line.startswith("---"):
            continue
        found = re.match(r"(?P<key>[^:=;#\s]+)\s*(?:[=:\s]\s*(?P<value>.*?))?\s*(?:\s[;#].*)?$", line)
        if found is None:
            raise UsageError(f"{file}: expected KEY = VALUE, got {quoted(line)}")
        value: Any = found["value"]
        value = "true" if value in (None, "") else value.strip("\"'")
        if value.startswith("[") and value.endswith("]"):
            value = [word.strip().strip("\"'") for word in value[1:-1].split(",") if word.strip()]
        yield found["key"].lstrip("-").replace("_", "-"), value


def run_time_s(text: str) -> int:
    """Seconds of `20`, `20s`, `3m`, `2h`, `1h20m`."""
    found = re.fullmatch(r"(?:(\d+)h)?\s*(?:(\d+)m)?\s*(?:(\d+)s?)?", str(text).strip())
    if not text or found is None or not any(found.groups()):
        raise argparse.ArgumentTypeError(
            f"expected a time such as 20, 20s, 3m, 2h or 1h20m, got {quoted(text)}"
        )
    hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return hours * 3600 + minutes * 60 + seconds


def _rate(text: str) -> float:
    try:
        rate = float(text)
    except ValueError:
        rate = 0
    if not rate > 0:
        raise argparse.ArgumentTypeError(f"expected users per second above 0, got {quoted(text)}")
    return rate


def _count(text: str) -> int:
    if not text.isdigit():
        raise argparse.ArgumentTypeError(f"expected a whole number, got {quoted(text)}")
    return int(text)


# Of the page, of several machines, of what else loadgen does its own way: taken, and said to be of no use.
UNUSED: Mapping[str, str] = {
    "web_host": "--page HOST:PORT says where the live page is",
    "web_port": "--page HOST:PORT says where the live page is",
    "web_base_path": "the live page has no base path",
    "web_login": "the live page has a token instead",
    "web_host_display_name": "the live page names itself",
    "tls_cert": "the live page is served without TLS",
    "tls_key": "the live page is served without TLS",
    "autostart": "a run begins at once, and --page shows it",
    "autoquit": "a run ends by itself",
    "class_picker": "name the classes behind the options",
    "build_path": "the live page is built in",
    "headful": "there is no browser",
    "expect_workers": "--processes says how many workers there are, all on this machine",
    "expect_workers_max_wait": "workers are of this machine: none is waited for",
    "enable_rebalancing": "workers are of this machine",
    "print_stats": "the live view is there without it",
    "skip_log_setup": "logging is set up by nobody else",
    "otel": "--output otel sends what is measured",
}


def make_parser() -> LocustArgumentParser:
    """Locust's own arguments, under the names by which files read them."""
    parser = LocustArgumentParser(prog="loadgen locust", add_help=False, allow_abbrev=False)
    add = parser.add_argument
    add("-h", "--help", action="store_true", help="Show this, with what the file adds.")
    add(
        "-f",
        "--locustfile",
        default="locustfile.py",
        env_var="LOCUST_LOCUSTFILE",
        metavar="FILES",
        help="Files or folders, separated by commas. Default: locustfile.py.",
    )
    add("--config", metavar="FILE", help="One more configuration file.")
    add("-H", "--host", "--url", metavar="URL", env_var="LOCUST_HOST", help="What paths are put behind.")
    add(
        "-u",
        "--users",
        type=_count,
        dest="num_users",
        metavar="N",
        env_var="LOCUST_USERS",
        help="Users at most. Default: 1.",
    )
    add(
        "-r",
        "--spawn-rate",
        type=_rate,
        metavar="N",
        env_var="LOCUST_SPAWN_RATE",
        help="Users that begin in a second. Default: 1.",
    )
    add(
        "-t",
        "--run-time",
        type=run_time_s,
        metavar="T",
        env_var="LOCUST_RUN_TIME",
        help="How long: 20, 20s, 3m, 2h, 1h20m. Default: until it is stopped.",
    )
    add("--headless", action="store_true", env_var="LOCUST_HEADLESS", help="As it always is.")
    add("-l", "--list", action="store_true", dest="list_commands", help="List the user classes, and end.")
    add(
        "--config-users",
        nargs="*",
        metavar="JSON",
        env_var="LOCUST_CONFIG_USERS",
        help="What to change in user classes: JSON, or a file of it.",
    )
    add("-T", "--tags", nargs="*", metavar="TAG", env_var="LOCUST_TAGS", help="Only tasks with one of these.")
    add(
        "-E",
        "--exclude-tags",
        nargs="*",
        metavar="TAG",
        env_var="LOCUST_EXCLUDE_TAGS",
        help="No tasks with one of these.",
    )
    add("--equal-weights", action="store_true", help="As if all tasks had the weight 1.")
    add(
        "--csv",
        dest="csv_prefix",
        metavar="PREFIX",
        env_var="LOCUST_CSV",
        help="Write Locust's four CSV files.",
    )
    add(
        "--csv-full-history",
        action="store_true",
        dest="stats_history_enabled",
        env_var="LOCUST_CSV_FULL_HISTORY",
        help="Each name in the history, not only the sum.",
    )
    add("--print-stats", action="store_true", env_var="LOCUST_PRINT_STATS", help=argparse.SUPPRESS)
    add("--only-summary", action="store_true", env_var="LOCUST_ONLY_SUMMARY", help="No live view.")
    add(
        "--reset-stats",
        action="store_true",
        env_var="LOCUST_RESET_STATS",
        help="Begin to count when all users are there.",
    )
    add(
        "--html",
        dest="html_file",
        metavar="FILE",
        env_var="LOCUST_HTML",
        help="The report also there; {u}, {r} and {t} stand for users, spawn rate and run time.",
    )
    add("--json", action="store_true", help="Print the statistics as JSON.")
    add("--json-file", metavar="NAME", help="The same, in NAME.json.")
    add("--show-task-ratio", action="store_true", help="Print how often each task comes, and end.")
    add("--show-task-ratio-json", action="store_true", help="The same as JSON.")
    add(
        "--exit-code-on-error",
        type=int,
        default=1,
        metavar="N",
        env_var="LOCUST_EXIT_CODE_ON_ERROR",
        help="How to end when a request failed. Default: 1.",
    )
    add(
        "-s",
        "--stop-timeout",
        default="0",
        type=run_time_s,
        metavar="T",
        env_var="LOCUST_STOP_TIMEOUT",
        help="How long tasks may take to end when the run does. Default: 0.",
    )
    add(
        "--processes",
        type=int,
        metavar="N",
        env_var="LOCUST_PROCESSES",
        help="Worker processes; -1: as many as there are cores.",
    )
    add(
        "-L",
        "--loglevel",
        default="INFO",
        metavar="LEVEL",
        env_var="LOCUST_LOGLEVEL",
        help="Of what the file logs: DEBUG, INFO, WARNING, ERROR, CRITICAL.",
    )
    add("--logfile", metavar="FILE", env_var="LOCUST_LOGFILE", help="Where it is logged. Default: stderr.")
    add("--skip-log-setup", action="store_true", env_var="LOCUST_SKIP_LOG_SETUP", help=argparse.SUPPRESS)
    add("--profile", metavar="TEXT", help="What to call the run.")
    add("-V", "--version", action="store_true", dest="show_version", help=argparse.SUPPRESS)
    add(
        "user_classes",
        nargs="*",
        metavar="CLASS",
        env_var="LOCUST_USER_CLASSES",
        help="The classes of users to run. Default: all.",
    )
    for name in (
        "--autostart",
        "--headful",
        "--web-login",
        "--class-picker",
        "--master",
        "--worker",
        "--enable-rebalancing",
        "--otel",
    ):
        variable = {
            "--master": "LOCUST_MODE_MASTER",
            "--worker": "LOCUST_MODE_WORKER",
            "--class-picker": "LOCUST_USERCLASS_PICKER",
            "--otel": "LOCUST_ENABLE_OPENTELEMETRY",
            "--enable-rebalancing": None,
        }
        add(
            name,
            action="store_true",
            help=argparse.SUPPRESS,
            env_var=variable.get(name, f"LOCUST_{name[2:].upper().replace('-', '_')}"),
        )
    for name in (
        "--web-host",
        "--web-host-display-name",
        "-P/--web-port",
        "--autoquit",
        "--tls-cert",
        "--tls-key",
        "--build-path",
        "--web-base-path",
        "--master-bind-host",
        "--master-bind-port",
        "--expect-workers",
        "--expect-workers-max-wait",
        "--master-host",
        "--master-port",
    ):
        names = name.split("/")
        add(*names, help=argparse.SUPPRESS, env_var=f"LOCUST_{names[-1][2:].upper().replace('-', '_')}")
    return parser


def parse_timespan(text: str) -> int:
    """As files call it."""
    try:
        return run_time_s(text)
    except argparse.ArgumentTypeError as error:
        raise ValueError(str(error)) from None


def setup_logging(loglevel: str, logfile: str | None = None) -> None:
    """What files log goes to stderr, or to a file."""
    level = getattr(logging, str(loglevel).upper(), None)
    if not isinstance(level, int):
        raise UsageError(
            f"--loglevel: expected DEBUG, INFO, WARNING, ERROR or CRITICAL, got {quoted(loglevel)}"
        )
    logging.basicConfig(
        level=level, filename=logfile, format="[%(asctime)s] %(levelname)s/%(name)s: %(message)s", force=True
    )


def arguments_of(found: argparse.Namespace) -> dict[str, Any]:
    """What was said, as it goes to every worker: the other way is `argparse.Namespace(**arguments)`."""
    return {name: value for name, value in vars(found).items() if name not in ("help", "show_version")}
