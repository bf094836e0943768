"""`loadgen find-max`: from flags to a search, and what is printed. The search is loadgen.find_max's."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from loadgen.cli import give_up_stdout
from loadgen.cli.blast import plan_of
from loadgen.cli.options import option, origins, search_options
from loadgen.errors import ExitCode, UsageError
from loadgen.shapes import check_duration, check_rate
from loadgen.slo import parse_slo
from loadgen.units import quoted

if TYPE_CHECKING:
    from collections.abc import Callable

    from loadgen.find_max import Probe

T = TypeVar("T")

_EPILOG = """\b
Examples:
  loadgen find-max http://127.0.0.1:8000/items --slo "p99 < 200ms"
  loadgen find-max http://127.0.0.1:8000/ --slo "p99 < 200ms, errors < 1%"
  loadgen find-max URL --slo "p95 < 80ms" --from 10 --up-to 5000 --budget 2m
  loadgen find-max /queue/exp/1 --slo "p99 < 50ms"

The rate is doubled until the service level fails, the bracket halved, and
then long probes are made around the answer until its 95 % interval is within
1 % either way, or the budget is spent. Each probe settles before it counts,
and begins when all of the last one has been answered. docs/find-max.md says
how the interval is made.

Arrivals are Poisson's here, as those of many users are: arrivals in even
steps never meet, so that they hide a queue until it is full.

\b
Exit codes: 0 an answer, 1 even the lowest rate fails, 2 cannot be done as
asked, 3 no answer: the generator was the limit, 4 the target could not be
reached, 130 interrupted.
"""
# Of a blast: its load, which is the search's here.
_LOAD: dict[str, Any] = {"users": None, "duration": None, "stage": (), "preset": None, "drop_late": None}
_OPTIONS = [
    option("--slo", metavar="EXPR", required=True, help='Such as "p99 < 200ms, errors < 1%".'),
    option(
        "--from", "lowest", metavar="RATE", default="100", show_default=True, help="The rate to begin with."
    ),
    option("--up-to", "highest", metavar="RATE", help="Look no higher than that."),
    option(
        "--probe", metavar="T", default="15s", show_default=True, help="How long one near the answer counts."
    ),
    option("--budget", metavar="T", default="5m", show_default=True, help="For the whole search, about."),
    option(
        "--arrivals",
        metavar="KIND",
        default="poisson",
        show_default=True,
        help="How arrivals are spread: constant, poisson, or bursts: onoff:ON/OFF.",
    ),
]


@click.command(name="find-max", epilog=_EPILOG)
@click.argument("url", required=False)
@search_options(_OPTIONS)
@click.pass_context
def find_max(ctx: click.Context, /, url: str | None, **values: Any) -> int:
    """Find the highest rate that keeps a service level, with its interval.

    The open model, at one rate after the other; without a URL the embedded target takes the load.
    """
    found = origins(ctx)
    conditions = _read(parse_slo, values["slo"], found["slo"])
    lowest = _read(check_rate, values["lowest"], found["lowest"])
    highest = _read(check_rate, values["highest"] or "10M", found["highest"])
    if lowest > highest:
        raise UsageError(f"{found['highest']}: expected a rate above that of --from, {lowest:g}/s")
    load = {**_LOAD, "tps": lowest}
    plan = plan_of(
        url,
        {**values, **load, "thresholds": [condition.threshold.expression for condition in conditions]},
        {**found, **dict.fromkeys(load, "default"), "thresholds": found["slo"]},
    )
    probe_ns = _read(_probe_ns, values["probe"], found["probe"])
    budget_ns = _read(check_duration, values["budget"], found["budget"])

    # numpy takes a tenth of a second, and the engine is a large file: not for --help.
    from loadgen.find_max import Bounds, Search
    from loadgen.probing import Prober
    from loadgen.report.find_max import HEAD, probe_line, render_search, search_json
    from loadgen.run_folder import default_path, write_whole

    def tell(probe: Probe) -> Probe:
        if not values["quiet"]:
            with contextlib.suppress(OSError):
                click.echo(probe_line(probe) if search.probes else f"{HEAD}\n{probe_line(probe)}", err=True)
        return probe

    folder = Path(values["out"]) if values["out"] else default_path(f"find-max {plan.compile().name}")
    prober = Prober(plan, conditions, folder)
    bounds = Bounds(lowest=lowest, highest=highest, probe_s=probe_ns / 1e9, budget_s=budget_ns / 1e9)
    search = Search(lambda rate, seconds: tell(prober(rate, seconds)), conditions, bounds)
    answer = search.run()
    document, table = search_json(answer, values["slo"]), render_search(answer, values["slo"], folder)
    exit_code = int(answer.exit_code)
    path: str | None = values["summary_json"]
    places = [folder / "find-max.json"] if answer.probes else []
    for place in [*places, *([Path(path)] if path not in (None, "-") else [])]:
        try:
            write_whole(place, document)
        except OSError as error:
            click.echo(f"loadgen: {place} cannot be written: {error.strerror or error}", err=True)
            exit_code = exit_code or ExitCode.UNUSABLE
    try:
        click.echo(table, nl=False, err=path == "-")
        if path == "-":
            sys.stdout.buffer.write(document)
        sys.stdout.flush()
    except OSError as error:
        failed = give_up_stdout(error)
        return exit_code or failed
    return exit_code


def _probe_ns(text: str) -> int:
    length_ns = check_duration(text)
    if length_ns < 1_000_000_000:
        raise ValueError(f'expected at least "1s", got {quoted(text)}')
    return length_ns


def _read(parse: Callable[[str], T], text: str, place: str) -> T:
    try:
        return parse(text)
    except ValueError as error:
        raise UsageError(f"{place}: {error}") from None
