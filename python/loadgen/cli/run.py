"""`loadgen run FILE`: from a script and flags to a plan. The run itself is loadgen.run's."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from loadgen.cli.options import (
    PRESET_HELP,
    WIRE_FLAGS,
    option,
    origins,
    prefer_flags,
    read_arguments,
    read_headers,
    read_stages,
    read_wire_options,
    script_options,
)
from loadgen.cli.running import print_schedule, run_and_report
from loadgen.importers import tool_of
from loadgen.plan import Plan
from loadgen.script import Script, load_script

# Options whose names are not the plan's. Those of the command itself are no part of the plan.
_FIELDS = {
    "tps": "rate",
    "stage": "stages",
    "url": "base_url",
    "set_": "arguments",
    "location": "follow_redirects",
    "max_redirs": "max_redirects",
    "compressed": "compression",
}
_NO_FIELDS = frozenset(
    {
        *("out", "outputs", "summary_json", "quiet", "no_live", "page", "baseline", "tolerance"),
        *("dry_run", "debug", "scenario"),
    }
)
_EPILOG = f"""\b
Examples:
  loadgen init                              write a script to start from
  loadgen run scenario.py                   with the load that it asks for
  loadgen run scenario.py --url http://127.0.0.1:8000 --users 50 -d 1m
  loadgen run scenario.py --tps 200 --arrivals poisson --max-errors 5%
  loadgen run scenario.py --scenario order --iterations 100
  loadgen run scenario.py --set size=large --threshold "p99 < 250ms"
  loadgen run scenario.py --debug           one iteration, all of it shown
  loadgen run locustfile.py -u 100 -r 10    a Locust file, with Locust's flags
  loadgen run test.yml -e staging           an Artillery script, likewise

Flags come before the plan in the script; a load (--tps, --users, --stage, --preset) replaces the script's
whole load. Without a base URL in either the embedded target takes the load.

{PRESET_HELP}

\b
Exit codes: 0 passed, 1 a threshold failed, 2 cannot be done as asked or the
script cannot be used, 3 invalid: the generator was the limit or a worker was
lost, 4 the target could not be reached at all, 5 the scenario's own errors
stopped the run, 130 interrupted.
"""


class _ByKind(click.Command):
    """Hands the whole command line on where it names a file of another tool: its flags are that tool's."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        tool = next((tool for word in args if (tool := tool_of(Path(word))) is not None), None)
        if tool is None:
            return super().make_context(info_name, args, parent, **extra)
        command: click.Command = getattr(import_module(f"loadgen.cli.{tool}"), tool)
        return command.make_context(info_name, args, parent, **extra)


@click.command(cls=_ByKind, epilog=_EPILOG)
@click.argument("file")
@script_options
@option("--dry-run", is_flag=True, help="Send nothing: print each arrival's number and due time in seconds.")
@option("--debug", is_flag=True, help="One user, one iteration: print every request and response.")
@click.pass_context
def run(ctx: click.Context, /, file: str, **values: Any) -> int:
    """Run the scenarios of a Python script, or a file of Locust's or Artillery's as it is.

    With a rate (--tps, or in the script) iterations begin when they are due, whatever the target does (open
    model). With users each begins its next when the last has ended (closed). The options of Locust's and
    Artillery's files are those of their tools: see loadgen run FILE --help.
    """
    script, plan = make_plan(ctx, file, values)
    if values["dry_run"]:
        return print_schedule(plan)
    if values["debug"]:
        return debug(script, plan)
    return run_and_report(plan, values, origins(ctx))


def make_plan(ctx: click.Context, file: str, values: dict[str, Any]) -> tuple[Script, Plan]:
    """The script, and its plan with what the flags and the environment say over it."""
    found = origins(ctx)
    prefer_flags(values, found)
    return plan_of(file, values, found)


def plan_of(file: str, values: dict[str, Any], found: dict[str, str]) -> tuple[Script, Plan]:
    """The script, and its plan with these values over it; `found` says where each came from."""
    given = {
        **values,
        "stage": read_stages(values["stage"], found["stage"]),
        "headers": read_headers(values["headers"], found["headers"]),
        "set_": read_arguments(values["set_"], found["set_"]),
    }
    given |= read_wire_options(values, found)
    unnamed = {*_NO_FIELDS, *WIRE_FLAGS}
    names = [name for name, origin in found.items() if origin != "default" and name not in unnamed]
    overrides = {_FIELDS.get(name, name): given[name] for name in names}
    places = {_FIELDS.get(name, name): found[name] for name in names}
    script = load_script(file)
    plan = script.plan_with(overrides, places, only=values["scenario"])
    workers = plan.compile().workers
    for feed in script.feeds.values():
        feed._check(workers)
    return script, plan


def debug(script: Script, plan: Plan) -> int:
    """One iteration with everything shown, against the embedded target where there is no other."""
    from loadgen.testing import debug_run  # with the engine's loop, which nothing else here needs

    if not plan.needs_embedded_target:
        return debug_run(script, plan.compile())
    with _embedded_target() as url:
        click.echo(f"no URL given: the embedded target at {url} answers", err=True)
        return debug_run(script, plan.at(url).compile())


@contextlib.contextmanager
def _embedded_target() -> Iterator[str]:
    """Its URL. Its loop stands still meanwhile, because the script has one of its own."""
    from loadgen.target import EmbeddedTarget

    with asyncio.Runner() as runner:
        target = EmbeddedTarget()
        runner.run(target.__aenter__())
        try:
            yield target.url
        finally:
            runner.run(target.__aexit__(None, None, None))
