"""`loadgen report RUN`: makes the page from a run folder again."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from loadgen.errors import UsageError

_EPILOG = """\b
Examples:
  loadgen report runs/2026-11-21T10-00-00-blast     writes report.html into it
  loadgen report RUN -o report.html
  loadgen report RUN -o - | gzip > report.html.gz
"""


@click.command(epilog=_EPILOG)
@click.argument("run")
@click.option("-o", "--output", metavar="FILE", help="Where to; - is stdout. Default: RUN/report.html.")
def report(run: str, output: str | None) -> int:
    """Make report.html from a run folder: one file with charts and tables, which needs no network."""
    from loadgen.files import write_whole
    from loadgen.report.page import NAME, make_report  # --help needs none of it

    folder = Path(run)
    if not folder.exists():
        from loadgen.stored_run import no_folder  # numpy takes a tenth of a second

        raise no_folder(folder)
    page = make_report(folder)
    if output == "-":
        sys.stdout.buffer.write(page)
        return 0
    path = folder / NAME if output is None else Path(output)
    try:
        write_whole(path, page)
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror or error}") from None
    click.echo(path)
    return 0
