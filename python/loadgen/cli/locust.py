"""`loadgen locust -f FILE`, and `loadgen run FILE` where it is Locust's: that tool's own command line."""

from __future__ import annotations

import argparse
import dataclasses
import json
import logging
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from loadgen.cli.running import Ending, run_and_report
from loadgen.errors import ExitCode, UsageError
from loadgen.importers import TOOL, tool_of
from loadgen.units import counted, quoted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from loadgen.importers.locust.arguments import LocustArgumentParser
    from loadgen.outputs.locust_json import LocustJson
    from loadgen.outputs.output import Output
    from loadgen.result import Result
    from loadgen.script import Script

_EPILOG = """
Exit codes: 0 passed; 1, or what --exit-code-on-error says, where a request
failed or a task raised; what a listener has put into
environment.process_exit_code; 1 where a --threshold failed. loadgen's own are 2
for what cannot be done as asked, 3 where the generator was the limit or a
worker was lost (such a run shows nothing), 4 where the target was not there.
"""
# Of loadgen's, beside Locust's: name, and what argparse is told of it.
_OURS: list[tuple[tuple[str, ...], dict[str, Any]]] = [
    (
        ("--threshold",),
        {"action": "append", "dest": "thresholds", "metavar": "EXPR", "help": '"p99 < 250ms"'},
    ),
    (
        ("--output",),
        {"action": "append", "dest": "outputs", "metavar": "KIND[=ARG]", "help": "Who else gets it."},
    ),
    (("--out",), {"metavar": "DIR", "help": "The run folder."}),
    (("--summary-json",), {"metavar": "PATH", "help": "The summary also here; - is stdout."}),
    (
        ("--page",),
        {"nargs": "?", "const": "127.0.0.1:0", "metavar": "HOST:PORT", "help": "Serve the live page."},
    ),
    (("--name",), {"metavar": "TEXT", "help": "What to call the run."}),
    (("--seed",), {"metavar": "N", "help": "Makes what loadgen draws repeatable."}),
    (("--pacing",), {"metavar": "HOW", "help": "eco, hybrid or spin."}),
    (("--insecure",), {"action": "store_true", "help": "Take any certificate."}),
    (("--cacert",), {"metavar": "FILE", "help": "Certificates to trust in place of the system's."}),
    (("--cert",), {"metavar": "FILE", "help": "The client's own certificate."}),
    (("--key",), {"metavar": "FILE", "help": "Its key, where that is in another file."}),
    (("--proxy",), {"metavar": "URL", "help": "http://, socks5:// or socks5h://HOST:PORT."}),
    (("-c", "--connections"), {"metavar": "N", "help": "Connections at most."}),
    (("--baseline",), {"metavar": "RUN", "help": "Compare with this run folder at the end."}),
    (("--no-live",), {"action": "store_true", "help": "Plain lines instead of the live view."}),
    (("-q", "--quiet"), {"action": "store_true", "help": "Nothing but the closing table."}),
]
_FIELDS = (
    *("thresholds", "name", "seed", "pacing", "insecure", "cacert", "cert", "key", "proxy", "connections"),
)


class _Unread(click.Command):
    """A command whose words are read elsewhere."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.params = {"words": tuple(args)}
        return []


@click.command(cls=_Unread, add_help_option=False)
def locust(words: tuple[str, ...]) -> int:
    """Run Locust's files as they are."""
    from loadgen.importers.locust.arguments import arguments_of

    parser = make_parser()
    given = _with_file(list(words))
    first = parser.read(given, partly=True)
    if first.show_version:
        from loadgen._engine import __version__

        click.echo(f"loadgen {__version__}")
        return 0
    if first.master or first.worker:
        raise UsageError(
            "--master and --worker: workers of several machines are not there",
            hint="--processes N runs N workers on this machine.",
        )
    files = _files(first.locustfile)
    if first.help and not all(file.exists() for file in files):
        return _help(parser)
    # Its classes are named when all of its arguments are known.
    options = {TOOL: "locust", "files": [str(file) for file in files]}
    script = _load(files[0], {**options, **arguments_of(first), "user_classes": []})
    _let_it_add_arguments(parser)
    if first.help:
        return _help(parser)
    found = parser.read(given)
    options |= arguments_of(found)
    if options != script.options:
        script = _load(files[0], options)
    return _show(script, found) if _is_asked_to_show(found) else _run(script, found, parser)


def make_parser() -> LocustArgumentParser:
    """Locust's arguments and ours."""
    from loadgen.importers.locust.arguments import make_parser

    parser = make_parser()
    for names, settings in _OURS:
        parser.add_argument(*names, **settings)
    return parser


def _help(parser: LocustArgumentParser) -> int:
    click.echo(parser.format_help() + _EPILOG, nl=False)
    return 0


def _with_file(words: list[str]) -> list[str]:
    """`loadgen run FILE` names it as `-f FILE` does."""
    if any(word in ("-f", "--locustfile") or word.startswith("--locustfile=") for word in words):
        return words
    for place, word in enumerate(words):
        if tool_of(Path(word)) == "locust":
            return ["-f", word, *words[:place], *words[place + 1 :]]
    return words


def _files(text: str) -> list[Path]:
    """Files and folders, separated by commas."""
    found: list[Path] = []
    for part in (part.strip() for part in text.split(",")):
        if part == "-" or "://" in part:
            raise UsageError(f"-f: expected files and folders, got {quoted(part)}")
        path = Path(part)
        if path.is_dir():
            found += sorted(
                file
                for file in path.rglob("*.py")
                if not file.name.startswith("_") and tool_of(file) == "locust"
            )
        else:
            found.append(path if path.suffix or path.exists() else path.with_suffix(".py"))
    if not found:
        raise UsageError(f"-f: no Locust file in {quoted(text)}")
    return found


def _load(path: Path, options: dict[str, Any]) -> Script:
    from loadgen.script import load_script

    script = load_script(path, options)
    return dataclasses.replace(script, options=options)


def _let_it_add_arguments(parser: LocustArgumentParser) -> None:
    from loadgen.importers.locust.events import events

    try:
        events.init_command_line_parser.fire(parser=parser)
    except argparse.ArgumentError as error:
        raise UsageError(f"the file adds an argument that is there already: {error}") from None


def _is_asked_to_show(found: argparse.Namespace) -> bool:
    return bool(found.list_commands or found.show_task_ratio or found.show_task_ratio_json)


def _show(script: Script, found: argparse.Namespace) -> int:
    """The classes, or how often their tasks come; nothing is run."""
    from loadgen.importers.locust.ratio import render_shares, shares_of

    company: Any = script.company
    classes = company.classes
    if found.list_commands:
        click.echo("Available Users:")
        for name in sorted(one.__name__ for one in classes):
            click.echo(f"    {name}")
        return 0
    shares = shares_of(classes, found.num_users or len(classes))
    click.echo(json.dumps(shares, indent=4) if found.show_task_ratio_json else render_shares(shares))
    return 0


def _run(script: Script, found: argparse.Namespace, parser: LocustArgumentParser) -> int:
    for note in _of_no_use(found, parser):
        click.echo(f"loadgen locust: {note}", err=True)
    _say_where_to_log(found)
    overrides = {name: getattr(found, name) for name in _FIELDS if getattr(found, name)}
    overrides.setdefault("name", found.profile or f"{Path(script.path).stem}")
    overrides["workers"] = _workers(found.processes)
    origins = {name: f"--{name.rstrip('s') if name == 'thresholds' else name}" for name in overrides}
    plan = script.plan_with(overrides, origins | {"workers": "--processes"})
    files = _LocustFiles(found)
    values = {
        "out": found.out,
        "summary_json": found.summary_json,
        "outputs": found.outputs or (),
        "quiet": found.quiet,
        "no_live": found.no_live or found.only_summary,
        "page": found.page,
        "baseline": found.baseline,
        "tolerance": "3%",
    }
    ending = Ending(files.end, files.outputs(), to_stderr=found.json)
    return run_and_report(plan, values, {"outputs": "--output", "summary_json": "--summary-json"}, ending)


def _of_no_use(found: argparse.Namespace, parser: LocustArgumentParser) -> Iterator[str]:
    from loadgen.importers.locust.arguments import UNUSED

    told = set()
    for name, why in UNUSED.items():
        value = getattr(found, name, None)
        if value not in (None, False) and value != parser.get_default(name) and why not in told:
            told.add(why)
            yield f"--{name.replace('_', '-')} is of no use here: {why}"


def _say_where_to_log(found: argparse.Namespace) -> None:
    if not isinstance(getattr(logging, str(found.loglevel).upper(), None), int):
        raise UsageError(
            f"-L: expected DEBUG, INFO, WARNING, ERROR or CRITICAL, got {quoted(str(found.loglevel))}"
        )


def _workers(processes: int | None) -> int | None:
    """One, as Locust has it: a file may count on its users' sharing what its module holds."""
    if processes is None:
        return 1
    if processes == 0 or processes < -1:
        raise UsageError(f"--processes: expected a number of workers, or -1, got {processes}")
    return None if processes == -1 else processes


class _LocustFiles:
    """What Locust would write beside what it prints, and how it would end."""

    def __init__(self, found: argparse.Namespace) -> None:
        self._found = found
        self._json: LocustJson | None = None

    def outputs(self) -> Sequence[Output]:
        """Those that watch the run."""
        from loadgen.outputs.locust import LocustCsv
        from loadgen.outputs.locust_json import LocustJson

        found = self._found
        made: list[Output] = []
        if found.csv_prefix:
            made.append(LocustCsv(found.csv_prefix, of_locust=True, full_history=found.stats_history_enabled))
        if found.json or found.json_file:
            path = Path(f"{found.json_file.removesuffix('.json')}.json") if found.json_file else None
            self._json = LocustJson(path)
            made.append(self._json)
        return made

    def end(self, result: Result, folder: Path) -> tuple[int, list[str]]:
        """Writes what is left to be written. The exit code, and why it is that."""
        found = self._found
        if found.html_file:
            name = found.html_file
            values = {
                "{u}": found.num_users or 1,
                "{r}": f"{found.spawn_rate or 1:g}",
                "{t}": found.run_time or 0,
            }
            for mark, value in values.items():
                name = name.replace(mark, str(value))
            try:
                shutil.copyfile(folder / "report.html", name)
            except OSError as error:
                click.echo(f"loadgen: --html: {name} cannot be written: {error.strerror or error}", err=True)
                return result.exit_code or ExitCode.UNUSABLE, []
        if found.json and self._json is not None:
            sys.stdout.write(self._json.text)
        exit_code, why = exit_code_of(result, found.exit_code_on_error)
        return exit_code, [why] if why else []


def exit_code_of(result: Result, on_error: int) -> tuple[int, str]:
    """As Locust ends, where the run can be trusted; and why, where loadgen would have ended otherwise."""
    if result.exit_code in (ExitCode.UNUSABLE, ExitCode.INVALID, ExitCode.UNREACHABLE):
        return result.exit_code, ""
    script = result.script
    if script is not None and script.exit_code is not None:
        return script.exit_code, f"exit code {script.exit_code}: environment.process_exit_code says so"
    if any(one.passed is False for one in result.thresholds):
        return ExitCode.THRESHOLD_FAILED, ""
    raised = sum(group.count for group in script.errors) if script is not None else 0
    if not result.requests.failed and not raised:
        return ExitCode.PASSED, ""
    found = [(result.requests.failed, "request", "failed"), (raised, "task", "raised")]
    what = " and ".join(f"{counted(count, noun)} {verb}" for count, noun, verb in found if count)
    return on_error, f"exit code {on_error}: {what} (--exit-code-on-error)"
