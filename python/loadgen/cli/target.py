"""`loadgen target`: the embedded target as a server of its own, for this and for other load generators."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path
from typing import NoReturn

import click

from loadgen.cli.options import option
from loadgen.errors import UsageError

_EPILOG = """\b
Examples:
  loadgen target
  loadgen target --port 0 --log target.log

\b
Paths: / and /health; /delay/MS answers after exactly that long; /status/CODE;
/bytes/N; /echo; /chunked/N; /drop closes without an answer;
/events?count=N&every=MS sends server-sent events;
/stall?for=T&every=T freezes the whole server; /requests tells exact counts.
"""


@click.command(epilog=_EPILOG)
@option(
    "--host",
    envvar="LOADGEN_TARGET_HOST",
    default="127.0.0.1",
    show_default=True,
    metavar="ADDRESS",
    help="Where to listen.",
)
@option(
    "--port",
    envvar="LOADGEN_TARGET_PORT",
    default=8000,
    show_default=True,
    type=click.IntRange(0, 65535),
    help="0 is any that is free.",
)
@option("--log", envvar="LOADGEN_TARGET_LOG", metavar="FILE", help="Write a line for each request here.")
def target(host: str, port: int, log: str | None) -> int:
    """Serve the embedded target until Ctrl-C, or until the program that started it has gone.

    The first line on stdout is "listening on http://HOST:PORT"; from then on it takes requests.
    """
    from loadgen._engine import EngineError, serve_target

    def end(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    if log is not None:
        try:
            Path(log).open("a").close()
        except OSError as error:
            raise UsageError(f"--log: {log} cannot be written: {error.strerror or error}") from None
    # As Ctrl-C does, so that what was logged is written out.
    signal.signal(signal.SIGTERM, end)
    threading.Thread(target=_end_with_parent, args=(os.getppid(),), daemon=True, name="parent watch").start()
    try:
        serve_target(host, port, parent_fd=None, log=log)
    except EngineError as error:
        raise UsageError(f"the target cannot listen on {host}:{port}: {error}") from None
    except KeyboardInterrupt:
        pass
    return 0


def _end_with_parent(parent: int) -> None:
    """A server that a killed script left behind would keep its port for ever.

    One that a shell started in the background, and that shell has ended already, belongs to nobody and stays.
    """
    while parent > 1:
        time.sleep(0.2)
        if os.getppid() != parent:
            os.kill(os.getpid(), signal.SIGTERM)
            return
