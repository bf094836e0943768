"""`loadgen convert`: writes a script from a file of requests, and says what could not be kept."""

from __future__ import annotations

from pathlib import Path
from shlex import quote

import click

from loadgen.convert.kinds import KINDS, read_file
from loadgen.convert.writing import write
from loadgen.errors import UsageError
from loadgen.units import counted, printable

_EPILOG = """\b
Examples:
  loadgen convert shop.har -o scenario.py       what a browser has saved
  loadgen convert openapi.yaml -o scenario.py   each operation a scenario
  loadgen convert collection.json               of Postman's, to stdout
  loadgen convert commands.txt --from curl      curl's command lines
  loadgen convert targets.txt                   what vegeta reads
  loadgen convert locustfile.py -o scenario.py  what Locust runs
  loadgen convert test.yml -o scenario.py       what Artillery runs

Passwords, tokens and cookies are not copied: the script takes them from
the environment.
"""


@click.command(epilog=_EPILOG)
@click.argument("file", type=click.Path(path_type=Path))
@click.option("-o", "--output", metavar="SCRIPT", help="Where to write it. Default, and -: stdout.")
@click.option("--from", "kind", type=click.Choice(KINDS), help="What the file is. Default: by what is in it.")
@click.option("--force", is_flag=True, help="Write over a script that is there.")
def convert(file: Path, output: str | None, kind: str | None, force: bool) -> int:
    """Rewrite a file of requests as a script for `loadgen run`.

    It takes HAR files, OpenAPI documents, Postman collections, lists of curl commands, vegeta's targets,
    Locust files and Artillery's scripts.
    """
    draft = read_file(file, kind)
    script = draft.script or write(draft)
    if output not in (None, "-"):
        _write(Path(output), script, force=force)
    for note in draft.notes:
        click.echo(f"note: {printable(note)}", err=True)
    if output in (None, "-"):
        click.echo(script, nl=False)
        return 0
    requests = counted(len(draft.calls()), "request")
    said = draft.said or f"{requests} in {counted(len(draft.parts), 'scenario')}"
    click.echo(f"{output}: {said}. Next:", err=True)
    click.echo(f"  loadgen run {quote(output)}", err=True)
    return 0


def _write(output: Path, script: str, *, force: bool) -> None:
    if output.is_dir():
        raise UsageError(f"{output} cannot be written: it is a folder")
    try:
        with output.open("w" if force else "x", encoding="utf-8") as written:
            written.write(script)
    except FileExistsError:
        raise UsageError(f"{output} is there already", hint="--force writes over it.") from None
    except OSError as error:
        raise UsageError(f"{output} cannot be written: {error.strerror or error}") from None
