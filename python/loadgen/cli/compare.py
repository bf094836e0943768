"""`loadgen compare`, and what `--baseline` on a run adds to its end: from folders to a comparison."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from loadgen.cli.options import TOLERANCE, option
from loadgen.errors import UsageError
from loadgen.percentile import percent_of
from loadgen.units import quoted

if TYPE_CHECKING:
    from loadgen.comparison import Comparison
    from loadgen.stored_run import StoredRun

_EPILOG = """\b
Examples:
  loadgen compare runs/monday runs/tuesday
  loadgen compare before/ after/           folders that hold five runs or more
  loadgen compare runs/new-* --baseline runs/old-*
  loadgen compare runs/monday runs/tuesday --picture difference.svg
  loadgen compare before/ after/ --tolerance 5% --percentile p99
  loadgen blast URL --tps 500 --baseline runs/monday

\b
One run on each side is compared second by second: within-run only, because
how runs differ from each other is not known. With five or more on each side
the run is the unit. docs/compare.md says how much a difference must be.

\b
Exit codes: 0 no figure is known to be worse by more than the tolerance,
1 a regression, 2 cannot be done as asked, 3 cannot be told: a run is invalid,
or too short.
"""


class _SeveralBaselines(click.Command):
    """`--baseline` takes all that follows it, up to the next option: shells write `old-*` out."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        spread, taking = [], False
        for index, word in enumerate(args):
            if word.startswith("-"):
                taking = word == "--baseline" or word.startswith("--baseline=")
            elif taking and args[index - 1] != "--baseline":
                spread.append("--baseline")
            spread.append(word)
        return super().parse_args(ctx, spread)


@click.command(cls=_SeveralBaselines, epilog=_EPILOG)
@click.argument("folders", metavar="[BASELINE] RUN...", nargs=-1, required=True)
# Not from the environment: that is for runs, and two folders here are a whole comparison.
@click.option(
    "--baseline", multiple=True, metavar="RUN...", help="What to compare with: all up to the next option."
)
@TOLERANCE
@option(
    "--percentile",
    "percentiles",
    multiple=True,
    metavar="P",
    help="Compare this one. Repeatable. Default: p50, p90, p99 and p99.9.",
)
@option("--picture", metavar="FILE", help="Draw both sides into an SVG file, too.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def compare(folders: tuple[str, ...], baseline: tuple[str, ...], as_json: bool, **values: Any) -> int:
    """Compare runs with earlier ones: what differs, and how surely.

    Each is a run folder, or a folder that holds several. Without --baseline there are two, the earlier first.
    """
    if not baseline:
        if len(folders) != 2:
            raise UsageError(
                f"expected two run folders, got {len(folders)}",
                hint="Name the earlier ones after --baseline: loadgen compare NEW... --baseline OLD...",
            )
        baseline, folders = folders[:1], folders[1:]
    tolerance = read_tolerance(values["tolerance"])
    for percentile in values["percentiles"]:
        try:
            percent_of(percentile)
        except ValueError as error:
            raise UsageError(f"--percentile: {error}", hint="Expected one such as p95 or p99.9.") from None
    earlier, later = read_runs(baseline), read_runs(folders)
    # numpy takes a tenth of a second: no other command shall wait for it.
    from loadgen.comparison import PERCENTILES
    from loadgen.comparison import compare as compare_runs
    from loadgen.report.comparison import render_comparison

    chosen = list(dict.fromkeys(values["percentiles"])) or PERCENTILES
    comparison = compare_runs(earlier, later, tolerance=tolerance, percentiles=chosen)
    if values["picture"] is not None:
        _draw(Path(values["picture"]), comparison, earlier, later)
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(comparison), indent=2).decode())
    else:
        click.echo(render_comparison(comparison), nl=False)
    return comparison.exit_code


def read_tolerance(text: str) -> float:
    """`3%` as a share."""
    try:
        share = float(text.removesuffix("%")) / 100
    except ValueError:
        share = -1.0
    if not text.endswith("%") or not 0 <= share < 10:
        raise UsageError(f'--tolerance: expected a share such as "5%", got {quoted(text)}')
    return share


def read_run(folder: str | Path) -> StoredRun:
    """One. Raises UsageError where it is none, or did not come to its end."""
    from loadgen.stored_run import StoredRun

    return StoredRun.read(Path(folder))


def read_runs(folders: Sequence[str]) -> list[StoredRun]:
    """All that they hold."""
    from loadgen.stored_run import find_runs

    return [read_run(path) for path in find_runs([Path(folder) for folder in folders])]


def _draw(
    path: Path, comparison: Comparison, earlier: Sequence[StoredRun], later: Sequence[StoredRun]
) -> None:
    from loadgen.files import write_whole
    from loadgen.report.picture import draw

    try:
        write_whole(path, draw(comparison, earlier, later).encode())
    except OSError as error:
        raise UsageError(f"--picture: {path} cannot be written: {error.strerror or error}") from None
