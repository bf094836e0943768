"""`loadgen find-max`: from flags to a search, and what is printed. The search is loadgen.find_max's."""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from loadgen.cli import blast, give_up_stdout, run
from loadgen.cli.options import option, origins, search_options
from loadgen.cli.running import check_summary_path, run_folder_of
from loadgen.errors import ExitCode, Interrupted, UsageError
from loadgen.shapes import check_duration, check_rate
from loadgen.slo import parse_slo
from loadgen.units import format_duration, format_percent, quoted

if TYPE_CHECKING:
    from collections.abc import Callable

    from loadgen.find_max import Found, Probe
    from loadgen.plan import Plan

T = TypeVar("T")

_EPILOG = """\b
Examples:
  loadgen find-max http://127.0.0.1:8000/delay/5 --slo "p99 < 200ms"
  loadgen find-max http://127.0.0.1:8000/ --slo "p99 < 200ms, errors < 1%"
  loadgen find-max URL --slo "p95 < 80ms" --from 10 --up-to 5000
  loadgen find-max URL --slo "p99 < 200ms" --precision 5%
  loadgen find-max scenario.py --url http://127.0.0.1:8000 --slo "p99 < 50ms"
  loadgen find-max /queue/exp/1 --slo "p99 < 50ms"

The rate is doubled until the service level fails, the bracket halved, and
then long probes are made around the answer until its 95 % interval is as
narrow as --precision asks, or the budget is spent. Each probe settles before
it counts, and begins when all of the last one has been answered.
docs/find-max.md says how the interval is made. Of a script the rate is that
of its iterations, and its own load and thresholds are set aside.

Arrivals are Poisson's here, as those of many users are: arrivals in even
steps never meet, so that they hide a queue until it is full.

\b
Exit codes: 0 an answer, 1 even the lowest rate fails, 2 cannot be done as
asked, 3 no answer: the generator was the limit, or a worker was lost, 4 the
target could not be reached, 5 the scenario's own errors stopped a probe,
130 interrupted. What was found until then is printed in any case.
"""
# What a load is made of, which is the search's here.
_LOAD: dict[str, Any] = {"users": None, "duration": None, "stage": (), "preset": None, "drop_late": None}
_SEARCH = ("slo", "lowest", "highest", "probe", "precision", "budget")
# A script says itself what is sent; and only a script has the others.
_OF_URLS = (
    *("method", "auth", "bearer", "digest", "body", "body_file", "expect_continue", "json_text"),
    *("form", "multipart", "targets", "data"),
)
_OF_SCRIPTS = ("url", "scenario", "set_", "max_users", "max_errors", "dead_after")
_OPTIONS = [
    option("--slo", metavar="EXPR", required=True, help='Such as "p99 < 200ms, errors < 1%".'),
    option(
        "--from", "lowest", metavar="RATE", default="100", show_default=True, help="The rate to begin with."
    ),
    option("--up-to", "highest", metavar="RATE", help="Look no higher than that."),
    option(
        "--precision",
        metavar="SHARE",
        default="2%",
        show_default=True,
        help="How far the interval may reach either way: from 1% to 20%.",
    ),
    option(
        "--budget",
        metavar="T",
        help="For the whole search, about. Default: 20m for 2%, 80m for 1%, 5m for 4% and above.",
    ),
    option(
        "--probe", metavar="T", default="30s", show_default=True, help="How long one near the answer counts."
    ),
    option(
        "--arrivals",
        metavar="KIND",
        default="poisson",
        show_default=True,
        help="How arrivals are spread: constant, poisson, or bursts: onoff:ON/OFF.",
    ),
]


@click.command(name="find-max", epilog=_EPILOG)
@click.argument("what", required=False, metavar="[URL|FILE.py]")
@search_options(_OPTIONS)
@click.pass_context
def find_max(ctx: click.Context, /, what: str | None, **values: Any) -> int:
    """Find the highest rate that keeps a service level, with its interval.

    The open model, at one rate after the other: of requests to a URL, or of iterations of a script; without
    either the embedded target takes the load.
    """
    found = origins(ctx)
    conditions = _read(parse_slo, values["slo"], found["slo"])
    lowest = _read(check_rate, values["lowest"], found["lowest"])
    highest = _read(check_rate, values["highest"] or "10M", found["highest"])
    if lowest > highest:
        raise UsageError(f"{found['highest']}: expected a rate above that of --from, {lowest:g}/s")
    probe_s = _read(_probe_ns, values["probe"], found["probe"]) / 1e9
    precision = _read(_precision, values["precision"], found["precision"])
    given_s = _read(check_duration, values["budget"], found["budget"]) / 1e9 if values["budget"] else None
    thresholds = [condition.threshold.expression for condition in conditions]
    plan = _plan(what, {**values, "tps": lowest, "thresholds": thresholds}, found)

    # numpy takes a tenth of a second, and the engine is a large file: not for --help.
    from loadgen.find_max import Bounds, Search, budget_s
    from loadgen.probing import Prober
    from loadgen.report.find_max import HEAD, probe_line

    def tell(line: str) -> None:
        if not values["quiet"]:
            with contextlib.suppress(OSError):
                click.echo(line, err=True)

    def make_probe(rate: float, seconds: float) -> Probe:
        probe = prober(rate, seconds)
        tell(probe_line(probe) if search.probes else f"{HEAD}\n{probe_line(probe)}")
        return probe

    bounds = Bounds(
        lowest=lowest,
        highest=highest,
        probe_s=probe_s,
        precision=precision,
        budget_s=given_s or budget_s(precision),
    )
    search = Search(make_probe, conditions, bounds)
    with contextlib.ExitStack() as stack:
        folder = run_folder_of(values, f"find-max {plan.compile().name}", stack)
        check_summary_path(values, found, folder)
        prober = Prober(plan, conditions, folder)
        tell(
            f"It may take {format_duration(bounds.budget_s * 1e9)} (--budget), "
            f"until it is known within {format_percent(precision)} either way."
        )
        with _terminated_is_interrupted():
            answer = search.run()
        return _report(answer, values, folder)


def _report(answer: Found, values: dict[str, Any], folder: Path) -> int:
    """Print and write it."""
    from loadgen.files import write_whole
    from loadgen.report.find_max import render_search, search_json

    document, table = search_json(answer, values["slo"]), render_search(answer, values["slo"], folder)
    exit_code = int(answer.exit_code)
    path: str | None = values["summary_json"]
    places = [folder / "find-max.json"] if folder.is_dir() and any(folder.iterdir()) else []
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


def _plan(what: str | None, values: dict[str, Any], found: dict[str, str]) -> Plan:
    """Of one probe, as far as all have it in common."""
    scripted = _is_script(what)
    for name in _OF_URLS if scripted else _OF_SCRIPTS:
        # What the environment says for all runs is no mistake in this one.
        if found[name].startswith("--"):
            text = "a script says itself what is sent" if scripted else "needs a script"
            raise UsageError(f"{found[name]}: {text}")
    load = {**_LOAD, "tps": values["tps"]}
    others = {*_SEARCH, *(_OF_URLS if scripted else _OF_SCRIPTS)}
    found = {**found, **dict.fromkeys({*load, *others}, "default"), "thresholds": found["slo"]}
    if not scripted:
        return blast.plan_of(what, {**values, **load}, found)
    assert what is not None
    # These come before the script's own, also where nobody asked for them.
    asked = dict.fromkeys(("tps", "arrivals", "thresholds", "iterations", "iterations_per_user"), "--slo")
    values = {**values, **load, "iterations": None, "iterations_per_user": None}
    if found["arrivals"] != "default":
        asked["arrivals"] = found["arrivals"]
    return run.plan_of(what, values, found | asked)[1]


def _is_script(what: str | None) -> bool:
    """Rather than a URL: a path from the root may be one on the embedded target."""
    if what is None or not what.endswith(".py") or "://" in what:
        return False
    return Path(what).is_file() or not what.startswith("/")


@contextlib.contextmanager
def _terminated_is_interrupted() -> Iterator[None]:
    """SIGTERM between two probes ends as it does in one: with what is known."""

    def handle(_number: int, _frame: object) -> None:
        raise Interrupted("terminated")

    before = signal.signal(signal.SIGTERM, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _precision(text: str) -> float:
    try:
        share = float(text.removesuffix("%")) / 100
    except ValueError:
        share = 0.0
    if not text.endswith("%") or not 0.01 <= share <= 0.2:
        raise ValueError(f'expected a share from "1%" to "20%", got {quoted(text)}')
    return share


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
