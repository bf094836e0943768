"""`loadgen target`: the embedded target as a server of its own, for this and for other load generators."""

from __future__ import annotations

import math
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import click

from loadgen.checking import at_most
from loadgen.cli.options import F, Parsed, option
from loadgen.errors import UsageError
from loadgen.loads import MAX_SEED
from loadgen.units import parse_count, quoted

_EPILOG = """\b
Examples:
  loadgen target
  loadgen target --port 0 --log target.log
  loadgen target --feed blocks=100/s --feed-lose 0.01

\b
Paths: / and /health; /delay/MS answers after exactly that long; /status/CODE;
/bytes/N; /echo; /chunked/N; /drop closes without an answer;
/events?count=N&every=MS sends server-sent events;
/stall?for=T&every=T freezes the whole server; /requests tells exact counts.

\b
WebSocket: /ws/echo sends each message back; ?delay=MS, close_after=N,
fragment=N, no_pong=1, no_close=1, status=CODE, never=1 make it misbehave.
/ws/feed has the channels blocks, transactions and network_stats:
{"op": "subscribe", "channel": "blocks"}. POST /ws/publish?channel=blocks
publishes its body; /ws/stats tells exact counts. All of it: docs/target.md.
"""


def _parse_share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = math.nan
    if not 0 <= share <= 1:
        raise ValueError(f'expected a share from 0 to 1 such as "0.01", got {quoted(text)}')
    return share


def _share(name: str, what: str) -> Callable[[F], F]:
    return option(
        name,
        default=0.0,
        metavar="SHARE",
        type=Parsed(_parse_share),
        help=f"The share of deliveries that {what} on purpose, such as 0.01.",
    )


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
    metavar="N",
    type=Parsed(at_most(65535, at_least=0)),
    help="0 is any that is free.",
)
@option("--log", envvar="LOADGEN_TARGET_LOG", metavar="FILE", help="Write a line for each request here.")
@option(
    "--feed",
    multiple=True,
    metavar="CHANNEL=RATE",
    help="Events on a channel of /ws/feed: blocks=100/s. Default: blocks=1/s, transactions=50/s, "
    "network_stats=1/s; 0 is none. Repeatable.",
)
@option(
    "--feed-slow",
    default="drop",
    show_default=True,
    type=click.Choice(["drop", "close"]),
    help="Whose buffer is full misses events (drop), or is closed with code 1008.",
)
@option(
    "--feed-buffer",
    default=1 << 20,
    show_default=True,
    metavar="BYTES",
    type=Parsed(parse_count),
    help="What may wait for one connection, beside the kernel's own buffer.",
)
@_share("--feed-lose", "are left out")
@_share("--feed-repeat", "come twice")
@_share("--feed-reorder", "change places with the next")
@option(
    "--feed-seed",
    default=1,
    show_default=True,
    metavar="N",
    type=Parsed(at_most(MAX_SEED, at_least=0)),
    help="Makes events and faults repeatable.",
)
def target(host: str, port: int, log: str | None, feed: tuple[str, ...], **feed_options: Any) -> int:
    """Serve the embedded target until Ctrl-C, or until the program that started it has gone.

    The first line on stdout is "listening on http://HOST:PORT"; from then on it takes requests.
    """
    from loadgen._engine import EngineError, serve_target
    from loadgen.health import raise_descriptor_limit
    from loadgen.target_feed import TargetFeed, read_rates

    def end(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    told = TargetFeed(
        rates=read_rates(feed),
        slow=feed_options["feed_slow"],
        buffer_bytes=feed_options["feed_buffer"],
        lose=feed_options["feed_lose"],
        repeat=feed_options["feed_repeat"],
        reorder=feed_options["feed_reorder"],
        seed=feed_options["feed_seed"],
    ).to_json()
    if log is not None:
        try:
            Path(log).open("a").close()
        except OSError as error:
            raise UsageError(f"--log: {log} cannot be written: {error.strerror or error}") from None
    # As Ctrl-C does, so that what was logged is written out.
    signal.signal(signal.SIGTERM, end)
    threading.Thread(target=_end_with_parent, args=(os.getppid(),), daemon=True, name="parent watch").start()
    raise_descriptor_limit()  # a connection is a descriptor
    try:
        serve_target(host, port, parent_fd=None, log=log, feed=told)
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
