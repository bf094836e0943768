"""`loadgen run FILE` of an Artillery script: its tool's own flags, and ours for what comes of a run."""

from __future__ import annotations

import json
import os
import re
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from loadgen.cli import running
from loadgen.cli.options import imported_options, option, origins
from loadgen.errors import UsageError
from loadgen.importers import TOOL
from loadgen.outputs.kinds import KINDS
from loadgen.units import quoted

if TYPE_CHECKING:
    from loadgen.plan import Plan
    from loadgen.script import Script

_EPILOG = """\b
Examples:
  loadgen run test.yml                          as the script says
  loadgen run test.yml -t http://127.0.0.1:8000 -e staging
  loadgen run test.yml -o report.json           also in Artillery's format
  loadgen run test.yml --solo --debug           one virtual user, all of it shown

These are Artillery's flags, and loadgen's for what comes of a run. A test needs neither Artillery nor Node;
what of it cannot be kept is said before it begins: docs/artillery.md has the list.

\b
Exit codes: 0 passed, 1 a check of `ensure` or a threshold failed, 21 an
expectation failed, 2 cannot be done as asked or the script cannot be used,
3 invalid: the generator was the limit or a worker was lost, 4 the target
could not be reached at all, 5 `before` failed or the processor's own
exceptions stopped the run, 130 interrupted.
"""
_PLATFORMS = ("local",)
# A line of what `dotenv` reads: NAME=VALUE, where a value in quotes may have lines, and # begins a comment.
_DOTENV = re.compile(
    r"""^\s*(?:export\s+)?([\w.-]+)(?:\s*=\s*?|:\s+?)
    (\s*'(?:\\'|[^'])*'|\s*"(?:\\"|[^"])*"|\s*`(?:\\`|[^`])*`|[^\#\n]+)?\s*(?:\#.*)?$""",
    re.MULTILINE | re.VERBOSE | re.ASCII,
)


@click.command(epilog=_EPILOG)
@click.argument("file")
@option("-t", "--target", "--url", metavar="URL", help="Where the load goes, over config.target.")
@option("-e", "--environment", metavar="NAME", help="Of config.environments.")
@option("-c", "--config", metavar="FILE", help="Another file, joined to the script.")
@option("-i", "--input", "inputs", multiple=True, metavar="FILE", help="The same. Repeatable.")
@option("-v", "--variables", metavar="JSON", help='Over config.variables: {"name": "value"}.')
@option("--overrides", metavar="JSON", help="Over any part of the script; lists are replaced.")
@option("-p", "--payload", metavar="FILE", help="The CSV file of config.payload.")
@option("--scenario-name", metavar="NAME", help="Run this scenario alone: its name, or a pattern of it.")
@option("-s", "--solo", is_flag=True, help="One virtual user, once.")
@option("-k", "--insecure", is_flag=True, help="Trust whoever answers, whatever the certificate says.")
@option(
    "--dotenv",
    "--env-file",
    "dotenv",
    metavar="FILE",
    help="Variables for the environment: NAME=VALUE lines.",
)
@option("--count", metavar="N", default="1", help="Accepted; this is one machine.")
@option("--platform", metavar="NAME", default="local", help="Accepted where it is local.")
@option("--platform-opt", multiple=True, metavar="NAME=VALUE", help="Accepted, and without effect.")
@option("--record", is_flag=True, help="Accepted, and without effect.")
@option("--tags", metavar="NAME:VALUE", help="Accepted, and without effect.")
@option("--key", metavar="TEXT", help="Accepted, and without effect.")
@option("--note", metavar="TEXT", help="Accepted, and without effect.")
@option(
    "-o",
    "--output",
    "outputs",
    multiple=True,
    metavar="FILE|KIND[=ARG]",
    help="A report in Artillery's format (FILE.json), or who else receives the results, such as statsd. "
    f"Repeatable. Kinds: {', '.join(KINDS)}.",
)
@imported_options
@option("--dry-run", is_flag=True, help="Send nothing: print each arrival's number and due time in seconds.")
@option("--debug", is_flag=True, help="One virtual user: print every request and response.")
@click.pass_context
def artillery(ctx: click.Context, /, file: str, **values: Any) -> int:
    """Run an Artillery script as it is.

    Virtual users arrive when they are due, whatever the target does, and each runs a scenario once.
    """
    from loadgen.importers.artillery.beginning import SECRET_VARS
    from loadgen.importers.artillery.ending import Ending
    from loadgen.importers.artillery.surroundings import run_after, run_before

    if values["platform"] not in _PLATFORMS or values["count"] != "1":
        raise UsageError("--platform: load comes from this machine alone: leave --platform and --count out")
    reports, outputs = _told_apart(values["outputs"])
    found = origins(ctx)
    if values["dotenv"]:
        read_dotenv(Path(values["dotenv"]))
    options = import_options(values)
    script, plan = make_plan(file, options, values, found)
    if values["dry_run"]:
        return running.print_schedule(plan)
    if values["debug"]:
        from loadgen.cli.run import debug

        return debug(script, plan)
    running.check_places(values, found)  # `before` sends requests of its own
    before_vars = run_before(script)
    if before_vars:
        script, plan = make_plan(file, {**options, SECRET_VARS: json.dumps(before_vars)}, values, found)
    ending = Ending(script, reports)
    values["outputs"] = (*outputs, *getattr(script.module, "outputs", ()))
    try:
        judged = running.Ending(lambda result, _: ending.judge(result.exit_code), observers=[ending])
        return running.run_and_report(plan, values, found, judged)
    finally:
        run_after(script)


def import_options(values: dict[str, Any]) -> dict[str, Any]:
    """What goes to the importer, here and in every worker."""
    options: dict[str, Any] = {TOOL: "artillery", "test_id": f"t{secrets.token_hex(4)}"}
    for name in ("target", "environment", "config", "payload", "scenario_name", "solo", "insecure"):
        if values[name]:
            options[name] = values[name]
    for name in ("config", "payload"):
        if name in options:
            options[name] = str(Path(options[name]).absolute())
    if values["inputs"]:
        options["inputs"] = [str(Path(name).absolute()) for name in values["inputs"]]
    for name in ("variables", "overrides"):
        if values[name]:
            options[name] = _object(values[name], f"--{name}")
    return options


def make_plan(
    file: str, options: dict[str, Any], values: dict[str, Any], found: dict[str, str]
) -> tuple[Script, Plan]:
    """The script, and its plan with what flags and the environment say over it."""
    from loadgen.script import load_script

    script = load_script(file, options)
    names = ("workers", "pacing", "drain", "seed", "name", "thresholds", "max_errors", "max_users")
    given = [name for name in names if found[name] != "default"]
    plan = script.plan_with({name: values[name] for name in given}, {name: found[name] for name in given})
    return script, plan


def _told_apart(texts: tuple[str, ...]) -> tuple[list[Path], list[str]]:
    """Reports in Artillery's format, and outputs of ours, by their kinds."""
    reports, outputs = [], []
    for text in texts:
        if text.partition("=")[0].strip() in KINDS:
            outputs.append(text)
        elif "=" in text and not text.endswith(".json"):
            raise UsageError(f"--output: expected FILE.json, or one of {', '.join(KINDS)}, got {text!r}")
        else:
            reports.append(Path(text))
    return reports, outputs


def read_dotenv(path: Path) -> None:
    """Puts what a file says into the environment, which workers inherit; what is there already stays."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UsageError(f"--dotenv: {path} cannot be read: {error.strerror or error}") from None
    for name, written in _DOTENV.findall(text.replace("\r\n", "\n")):
        value = written.strip()
        quote, inner = value[:1], re.fullmatch(r"""(['"`])(.*)\1""", value, re.DOTALL)
        value = value if inner is None else inner[2]
        if quote == '"':
            value = value.replace("\\n", "\n").replace("\\r", "\r")
        os.environ.setdefault(name, value)


def _object(text: str, place: str) -> dict[str, Any]:
    """`--variables` and `--overrides`: an object in JSON."""
    try:
        found = json.loads(text)
    except ValueError as error:
        raise UsageError(f"{place}: expected an object in JSON, got {quoted(text)}: {error}") from None
    if not isinstance(found, dict):
        raise UsageError(f"{place}: expected an object in JSON, got {quoted(text)}")
    return found
