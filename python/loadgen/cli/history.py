"""`loadgen history`: lists past runs by what was run."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from loadgen.cli.options import option
from loadgen.errors import UsageError
from loadgen.units import parse_count

_EPILOG = """\b
Examples:
  loadgen history
  loadgen history nightly/ releases/ --last 50
  loadgen history --json | jq '.groups[].runs[-1].p99_ms'
"""


@click.command(epilog=_EPILOG)
@click.argument("folders", metavar="[FOLDER]...", nargs=-1)
@option(
    "--last", metavar="N", default="20", show_default=True, help="Of each group, show so many of the newest."
)
@click.option("--json", "as_json", is_flag=True, help="For programs: all runs.")
def history(folders: tuple[str, ...], last: str, as_json: bool) -> int:
    """List past runs with their trends, by what was run.

    Each FOLDER is a run folder or holds some; without any it is runs.
    """
    # numpy, which only looks back at runs need, takes a tenth of a second.
    from loadgen.history import read_history
    from loadgen.report.history import render_history

    try:
        at_most = parse_count(last)
    except ValueError as error:
        raise UsageError(f"--last: {error}") from None
    found = read_history([Path(folder) for folder in folders or ("runs",)])
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())
    else:
        click.echo(render_history(found, at_most), nl=False)
    return 0
