"""The command line: finds the command, runs it, turns each ending into an exit code. It holds no command."""

from __future__ import annotations

import io
import os
import sys
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

import click

from loadgen.errors import ExitCode, LoadgenError, PlanError
from loadgen.units import printable, quoted

# Command to what it is for: `loadgen --help` needs no command's module.
_COMMANDS = {
    "blast": "Send one request over and over, at a rate or by users.",
    "run": "Run a script: scenarios in Python, a Locust or Artillery file.",
    "quick": "Send a few requests to a URL, as artillery quick does.",
    "locust": "Run a Locust file as it is, with Locust's own options.",
    "ws": "Open many WebSockets, hold them, send over them and listen.",
    "find-max": "Find the highest rate that keeps a service level.",
    "init": "Write a script to start from.",
    "convert": "Write a script from HAR, OpenAPI, Postman, curl or Locust files.",
    "report": "Make the page of a run again, from its folder.",
    "history": "List past runs with their trends, by what was run.",
    "compare": "Compare runs with earlier ones: what differs, and how surely.",
    "target": "Serve the embedded target, for load generators to hit.",
    "doctor": "Look at what this machine allows, and say what to change.",
}
# Where the options leave what --output was given: it is wanted where a command could not make a plan.
OUTPUTS = "loadgen.outputs"
_EPILOG = """\b
Examples:
  loadgen blast --tps 5000                       the embedded target, 10 s
  loadgen blast http://host:8000/ -u 50 -d 1m
  loadgen init                                   writes scenario.py
  loadgen run scenario.py --url http://host:8000
  loadgen ws ws://host:8000/feed -n 1000 --subscribe '{"op": "subscribe"}'
  loadgen run locustfile.py -u 100 -r 10 -t 5m   as it is; so with test.yml
  loadgen find-max http://host:8000/ --slo "p99 < 200ms, errors < 1%"
  loadgen doctor

Options of a run also read LOADGEN_<OPTION> from the environment.
"""


class _Commands(click.Group):
    """Loads a command when it is called, so that the others cost nothing."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in _COMMANDS:
            return None
        name = cmd_name.replace("-", "_")
        command: click.Command = getattr(import_module(f"loadgen.cli.{name}"), name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in _COMMANDS and not ctx.resilient_parsing:
            near = get_close_matches(args[0], _COMMANDS, n=1)
            meant = f', did you mean "{near[0]}"?' if near else f": there are {', '.join(_COMMANDS)}"
            ctx.fail(f"no command {quoted(args[0])}{meant}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


def _print_version(ctx: click.Context, _option: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        from loadgen._engine import __version__  # the engine is a large file to load for a help text

        click.echo(f"loadgen {__version__}")
        ctx.exit()


@click.command(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=_EPILOG,
    no_args_is_help=True,
)
@click.option(
    "--version",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_print_version,
    help="Show the version.",
)
def group() -> None:
    """Generate load on a server and measure it honestly."""


def main() -> NoReturn:
    """The entry point."""
    _open_closed_streams()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # better a "?" than no table
    sys.exit(call(sys.argv[1:]))


def _open_closed_streams() -> None:
    """A stream that whoever started us has closed (`>&-`) leads nowhere.

    Else the next file that is opened, a socket for one, would have its number, and print() nowhere to go.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):  # each takes the lowest number
        if getattr(sys, name) is None:
            nowhere = Path(os.devnull).open(mode, encoding="utf-8")  # noqa: SIM115 - it stays open
            os.set_inheritable(nowhere.fileno(), True)
            setattr(sys, name, nowhere)


def call(arguments: list[str]) -> int:
    """Run a command line and return its exit code. A user's mistake never shows a traceback."""
    try:
        # Not `group.main`, which turns a reader that has seen enough into exit code 1.
        with group.make_context("loadgen", arguments) as context:
            outcome: Any = _invoke(context)
        sys.stdout.flush()
        return int(outcome or 0)
    except click.exceptions.Exit as ending:
        return ending.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return ExitCode.UNUSABLE
    except click.UsageError as error:
        _complain(error.ctx.command_path if error.ctx else "loadgen", error.format_message())
        if error.ctx is not None:
            click.echo(f"Try: {error.ctx.command_path} --help", err=True)
        return ExitCode.UNUSABLE
    except click.ClickException as error:
        _complain("loadgen", error.format_message())
        return ExitCode.UNUSABLE
    except PlanError as error:
        mistakes = [str(mistake) for mistake in error.mistakes]
        _complain("loadgen", *mistakes)
        return error.exit_code
    except LoadgenError as error:
        _complain("loadgen", *error.message.splitlines(), *(error.hint or "").splitlines())
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return ExitCode.INTERRUPTED
    except OSError as error:
        return give_up_stdout(error)


def _invoke(context: click.Context) -> Any:
    """Reports that were asked for say it, too, where a run never began."""
    try:
        return group.invoke(context)
    except LoadgenError as error:
        outputs = context.meta.get(OUTPUTS, ())
        if outputs:
            from loadgen.outputs.kinds import tell_that_it_never_began

            for text in tell_that_it_never_began(outputs, str(context.invoked_subcommand), error):
                _complain("loadgen", text)
        raise


def give_up_stdout(error: OSError) -> int:
    """What could not be printed: no fault where whoever read has read enough."""
    # Python flushes once more at exit, which must find somewhere to go.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if isinstance(error, BrokenPipeError):
        return ExitCode.PASSED
    _complain("loadgen", f"stdout cannot be written: {error.strerror or error}")
    return ExitCode.UNUSABLE


def _complain(who: str, *lines: str) -> None:
    """`loadgen: text`; further lines are indented below it."""
    first, *rest = lines
    click.echo(f"{who}: {printable(first)}", err=True)
    for line in rest:
        click.echo(f"  {printable(line)}", err=True)
