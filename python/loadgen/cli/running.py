"""From a plan to what is printed, for the commands that run one: the closing table, the list of arrivals."""

from __future__ import annotations

import contextlib
import sys
from heapq import merge
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click
import msgspec

from loadgen.cli import give_up_stdout
from loadgen.cli.compare import read_run, read_tolerance
from loadgen.engine_plan import CONNECT, EnginePlan, OpenLoad
from loadgen.errors import ExitCode, LoadgenError, UsageError
from loadgen.units import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from loadgen.outputs.output import Output
    from loadgen.plan import Plan
    from loadgen.progress import Observer
    from loadgen.result import Result
    from loadgen.stored_run import StoredRun


def print_schedule(plan: Plan) -> int:
    """`k due` of every arrival, one a line, as they are computed: a reader may stop at any time.

    A third column names the scenario where there are several, or what sockets do. Loads of single scenarios
    count by themselves.
    """
    from loadgen.schedule import make_schedule  # the engine is a large file to load for --help

    compiled = plan.compile()
    columns = []
    for load, name in _open_loads(compiled):
        schedule = make_schedule(msgspec.structs.replace(compiled, load=load, script=None, sockets=None))
        assert schedule is not None
        columns.append(zip(schedule.arrivals(), repeat(f" {name}" if name else "")))
    if not columns:
        raise UsageError("--dry-run: the closed model has no arrivals to print: give a rate (--tps)")
    write = sys.stdout.write
    for (number, due_ns), name in merge(*columns, key=lambda row: row[0][1]):
        write(f"{number} {due_ns // 1_000_000_000}.{due_ns % 1_000_000_000:09d}{name}\n")
    return 0


def _open_loads(plan: EnginePlan) -> list[tuple[OpenLoad, str]]:
    """Each with the name of its scenario; "" where there is one only, or where the engine deals them out."""
    if plan.sockets is not None and isinstance(plan.load, OpenLoad):
        sends = plan.sockets.sends
        return [(plan.load, CONNECT)] + ([(sends, "send")] if sends else [])
    if plan.script is None:
        return [(plan.load, "")] if isinstance(plan.load, OpenLoad) else []
    scenarios = plan.script.scenarios
    sharing = [scenario.name for scenario in scenarios if scenario.load is None]
    found = [(plan.load, sharing[0] if len(sharing) == 1 else "")] if sharing else []
    found += [(scenario.load, scenario.name) for scenario in scenarios if scenario.load is not None]
    several = len(scenarios) > 1
    return [(load, name if several else "") for load, name in found if isinstance(load, OpenLoad)]


def _serve_page(where: str | None, stack: contextlib.ExitStack) -> list[Observer]:
    """The live page, if it was asked for; it is said where."""
    if where is None:
        return []
    from loadgen.live.access import Address
    from loadgen.live.page import PageServer  # with websockets, which nothing else here needs

    page = PageServer(Address.parse(where, "--page"))
    stack.callback(page.close)
    click.echo(f"live page: {page.url}", err=True)
    return [page]


class Ending(NamedTuple):
    """What another tool would do with a run: who watches it, and how it ends there."""

    exit_code: Callable[[Result, Path], tuple[int, Sequence[str]]]  # with what there is to say of it
    outputs: Sequence[Output] = ()
    observers: Sequence[Observer] = ()
    to_stderr: bool = False  # the table, because something else goes to stdout


def run_folder_of(values: dict[str, Any], name: str, stack: contextlib.ExitStack) -> Path:
    """That of --out, or one of its own."""
    from loadgen.run_folder import default_folder

    return Path(values["out"]) if values["out"] else stack.enter_context(default_folder(name))


def check_summary_path(values: dict[str, Any], found: dict[str, str], out: Path) -> str | None:
    """Where --summary-json wants it. What cannot be written shall not cost a run."""
    from loadgen.outputs.places import check_writable

    path: str | None = values["summary_json"]
    if path not in (None, "-"):
        try:
            folder = Path(path).absolute().parent
            if folder.exists() or folder not in (out.absolute(), *out.absolute().parents):
                check_writable(Path(path))
        except OSError as error:
            raise UsageError(f"{found['summary_json']}: {error.strerror or error}") from None
    return path


def check_places(values: dict[str, Any], found: dict[str, str]) -> None:
    """The same and more, before anything is sent."""
    check_summary_path(values, found, Path(values["out"] or "runs"))
    if values["baseline"]:
        read_run(values["baseline"])


def run_and_report(
    plan: Plan, values: dict[str, Any], found: dict[str, str], ending: Ending | None = None
) -> int:
    """Run, print the closing table, and say how it ended."""
    from loadgen.files import write_whole
    from loadgen.live.keys import open_keyboard
    from loadgen.live.terminal import make_view
    from loadgen.outputs.kinds import make_output
    from loadgen.outputs.outputs import Outputs
    from loadgen.report.text import render
    from loadgen.run import conduct

    tolerance = read_tolerance(values["tolerance"])
    # Before the run: a baseline that cannot be read shall not cost one.
    baseline = read_run(values["baseline"]) if values["baseline"] else None
    made = [make_output(text, found["outputs"]) for text in values["outputs"]]
    outputs = Outputs([*made, *(ending.outputs if ending else ())])
    with contextlib.ExitStack() as stack:
        folder = run_folder_of(values, plan.compile().name, stack)
        summary_path = check_summary_path(values, found, folder)
        page = _serve_page(values["page"], stack)
        keyboard = stack.enter_context(open_keyboard())
        view = make_view(live=not values["no_live"], quiet=values["quiet"], keyboard=keyboard)
        result = conduct(plan, folder, outputs, [view, *page, *(ending.observers if ending else ())])
    exit_code, said = ending.exit_code(result, folder) if ending else (result.exit_code, ())
    result = msgspec.structs.replace(result, exit_code=exit_code)
    if summary_path not in (None, "-"):  # before anything is printed, because printing may fail
        try:
            write_whole(Path(summary_path), result.to_json())
        except OSError as error:
            click.echo(
                f"loadgen: {found['summary_json']}: {summary_path} cannot be written: {error.strerror}",
                err=True,
            )
            exit_code = exit_code or ExitCode.UNUSABLE
    table = "".join([render(result, folder), *(f"{line}\n" for line in said)])
    if baseline is not None and exit_code != ExitCode.INTERRUPTED:
        compared, ended = _compare(baseline, folder, tolerance)
        table, exit_code = f"{table}\n{compared}", exit_code or ended
    try:
        if summary_path != "-":
            click.echo(table, nl=False, err=ending is not None and ending.to_stderr)
        else:
            if not values["quiet"]:
                with contextlib.suppress(OSError):
                    click.echo(table, err=True, nl=False)
            sys.stdout.buffer.write(result.to_json())
        sys.stdout.flush()
    except OSError as error:
        failed = give_up_stdout(error)
        # A table that nobody sees changes nothing; a summary that was asked for is missing.
        return exit_code or failed if summary_path == "-" else exit_code
    return exit_code


def _compare(baseline: StoredRun, folder: Path, tolerance: float) -> tuple[str, int]:
    """What is said of the run beside its baseline, and how that ends."""
    from loadgen.comparison import compare
    from loadgen.report.comparison import render_comparison

    try:
        comparison = compare([baseline], [read_run(folder)], tolerance=tolerance)
    except LoadgenError as error:
        return f"not compared: {printable(error.message)}\n", error.exit_code
    return render_comparison(comparison), comparison.exit_code
