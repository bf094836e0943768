"""`loadgen doctor`: prints what machine.py finds."""

from __future__ import annotations

import textwrap

import click
import msgspec

_EPILOG = """\b
Examples:
  loadgen doctor
  loadgen doctor --json | jq '.[] | select(.status == "warn")'
"""


@click.command(epilog=_EPILOG)
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def doctor(as_json: bool) -> int:
    """Look at what this machine allows, and say what to change and how. Changes nothing."""
    from loadgen.machine import examine

    findings = examine()
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(findings), indent=2).decode())
        return 0
    for finding in findings:
        click.echo(f"{finding.status:<9}{finding.name:<17}{finding.value}")
        if finding.advice:
            click.echo(textwrap.fill(finding.advice, 80, initial_indent=" " * 26, subsequent_indent=" " * 26))
    return 0
