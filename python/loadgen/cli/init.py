"""`loadgen init`: writes a script to start from, and says what comes next. It never writes over one."""

from __future__ import annotations

from pathlib import Path

import click

from loadgen.errors import UsageError
from loadgen.starter import starter
from loadgen.units import is_utf8, quoted

_EPILOG = """\b
Examples:
  loadgen init
  loadgen init shop.py
"""


@click.command(epilog=_EPILOG)
@click.argument("file", default="scenario.py")
@click.option("--force", is_flag=True, help="Write over a file that is there.")
def init(file: str, force: bool) -> int:
    """Write a script to start from; it runs at once.

    Without FILE it is scenario.py.
    """
    path = Path(file)
    if path.suffix != ".py":
        raise UsageError(f"{file}: expected a name that ends in .py", hint=f"loadgen init {file}.py")
    if not is_utf8(file):  # the script names itself
        raise UsageError(f"{quoted(file)} is not UTF-8")
    try:
        with path.open("w" if force else "x", encoding="utf-8") as script:
            script.write(starter(file))
    except FileExistsError:
        raise UsageError(f"{file} is there already", hint="--force writes over it.") from None
    except OSError as error:
        raise UsageError(f"{file} cannot be written: {error.strerror or error}") from None
    click.echo(f"{file} is written. Next:")
    click.echo(f"  loadgen run {file}")
    click.echo(f"  loadgen run {file} --debug     one iteration, all of it shown")
    return 0
