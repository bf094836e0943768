"""`loadgen ws`: from flags to a plan of sockets. The run itself is run.py's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from loadgen.cli.options import (
    add_authorization,
    option,
    origins,
    read_headers,
    read_wire_options,
    socket_options,
)
from loadgen.cli.running import print_schedule, run_and_report
from loadgen.errors import UsageError
from loadgen.plan import Plan
from loadgen.sockets import Sockets

# Options of the plan, those of its sockets, and those whose names are not the plan's.
_SAME = ("workers", "pacing", "drain", "timeout", "thresholds", "name", "seed", "data")
_OF_SOCKETS = (
    *("connections", "connect_rate", "hold", "send_rate", "send_rate_each", "subscriptions"),
    *("expect", "correlate", "stamp", "sequence", "channel", "ping", "reconnect", "deflate"),
)
_FIELDS = {name: f"sockets.{name}" for name in _OF_SOCKETS} | {
    "send": "sockets.send",
    "send_binary": "sockets.send",
    "subscribe": "sockets.subscribe",
    "list": "sockets.list",
    "unsubscribe": "sockets.unsubscribe",
    "subprotocol": "sockets.subprotocols",
    "auth": "headers",
    "bearer": "headers",
}
_EPILOG = """\b
Examples:
  loadgen ws                                         ten sockets, ten seconds
  loadgen ws -n 1000 --connect-rate 500/s -d 1m --ping 5s
  loadgen ws --send '{"id": {{k}}}' --send-rate 200/s --correlate id
  loadgen ws ws://127.0.0.1:9000/feed -n 5000 --subscribe @subscribe.json \\
    --expect op=subscribed --stamp ts_ns --sequence seq --channel channel
  loadgen ws wss://host/feed -k --bearer "$TOKEN" --reconnect 100ms..5s
  loadgen ws /ws/feed -n 300 --subscriptions kinds.jsonl -d 1m
  loadgen ws /ws/feed --correlate id --subscribe @subscribe.json \\
    --list @list.json --unsubscribe @unsubscribe.json
  loadgen ws -n 60000 --bind 127.0.0.2-127.0.0.4 --workers 2
  loadgen ws -n 3 --connect-rate 1/s -d 2s --send hello --dry-run

Without a URL the embedded target answers, at /ws/echo; a path alone is a path
on it. http:// and https:// are taken as ws:// and wss://.

Sockets are opened when they are due, and held for --hold once all are due; then
messages are due too, and the open sockets send them in turn. --send without a
rate: each socket sends one a second.

\b
A message counts from when it was due until its reply, where there is one:
  --expect any            the next message on its socket
  --expect PATH[=VALUE]   the next that has (that) VALUE there: op=subscribed;
                          repeatable, where there are several kinds of replies
  --correlate PATH[=PATH] the one with the same text there: id, id=request.id
Without either it counts until it is written.

\b
What comes can be measured where it says when it was sent, and followed where
it is numbered:
  --stamp PATH[:ns|us|ms|s][:wall]   default: ns of CLOCK_MONOTONIC
  --sequence PATH, --channel PATH    missing, repeated, reordered; by channel

\b
{{name}} in a message is a column of --data; message j takes row j mod rows.
Without a file there are
  {{k}}       its number               {{connection}}  number of the socket
  {{due_ns}}  when it was due, in ns of CLOCK_MONOTONIC
  {{uuid}}  {{random}}  {{timestamp}}  {{open}}  as for blast

\b
--subscriptions has JSON Lines, of which socket k sends number k mod lines:
  {"kind": "simple", "send": {"op": "subscribe", "channel": "blocks"}}
Each kind is counted by itself.

\b
--list is sent when all subscriptions are answered, --unsubscribe when the
hold is over. In both {{reply.PATH}} is what the answer to a subscription has
there, and such a message is sent once for each answer:
  {"op": "unsubscribe", "subscription": "{{reply.subscription}}"}

\b
Exit codes: 0 passed, 1 a threshold failed, 2 cannot be done as asked,
3 invalid: the generator was the limit or a worker was lost,
4 the target could not be reached at all, 130 interrupted.
"""

_OPTIONS: list[Callable[[Any], Any]] = [
    option(
        "-n", "--connections", metavar="N", default="10", show_default=True, help="How many sockets to open."
    ),
    option(
        "--connect-rate", metavar="RATE", default="100/s", show_default=True, help="How fast they are due."
    ),
    option(
        "-d",
        "--hold",
        metavar="T",
        default="10s",
        show_default=True,
        help="How long to hold them, once all are due.",
    ),
    option(
        "--send",
        multiple=True,
        metavar="TEXT",
        help="A message, or @FILE for one a line. Repeatable: they come in turn.",
    ),
    option("--send-binary", multiple=True, metavar="FILE", help="A message of bytes. Repeatable."),
    option("--send-rate", metavar="RATE", help="Messages of all sockets together."),
    option("--send-rate-each", metavar="RATE", help="Messages of each socket. Default: 1/s."),
    option(
        "--subscribe",
        multiple=True,
        metavar="TEXT",
        help="What each socket sends when it is open, or @FILE for one a line. Repeatable: all of them.",
    ),
    option("--subscriptions", metavar="FILE", help="Of which each socket sends one; see below."),
    option(
        "--list", multiple=True, metavar="TEXT", help="What it sends when all that is answered. Repeatable."
    ),
    option(
        "--unsubscribe", multiple=True, metavar="TEXT", help="What it sends before it closes. Repeatable."
    ),
    option(
        "--expect",
        multiple=True,
        metavar="REPLY",
        help="What a reply looks like: any, PATH or PATH=VALUE. Repeatable.",
    ),
    option("--correlate", metavar="PATH[=PATH]", help="What is the same in a message and its reply."),
    option("--stamp", metavar="PATH[:UNIT]", help="Where a message says when it was sent; see below."),
    option("--sequence", metavar="PATH", help="Where it has its number."),
    option("--channel", metavar="PATH", help="Where it says in which stream that number is."),
    option("--ping", metavar="T", help="Each socket sends a ping so often; one without pong is lost."),
    option(
        "--reconnect",
        metavar="FIRST[..MOST]",
        help="Open lost sockets again, after so long; doubled each time.",
    ),
    option("--subprotocol", multiple=True, metavar="NAME", help="Offer it. Repeatable."),
    option("--deflate", is_flag=True, help="Offer compression (permessage-deflate)."),
    option("--data", metavar="FILE", help="Rows (CSV, JSON Lines) for {{name}} in messages."),
    option(
        "--timeout", metavar="T", default="30s", show_default=True, help="For a handshake, a reply, a pong."
    ),
]


@click.command(epilog=_EPILOG)
@click.argument("url", required=False)
@socket_options(_OPTIONS)
@option("--dry-run", is_flag=True, help="Open nothing: print what is due when, in seconds.")
@click.pass_context
def ws(ctx: click.Context, /, url: str | None, **values: Any) -> int:
    """Open many WebSockets, hold them, send over them and listen.

    Connects and messages are due at a rate, whatever the target does (open model), and count from then. Lost
    sockets, close codes, round trips of pings and the times of deliveries are counted too.
    """
    plan = make_plan(ctx, url, values)
    if values["dry_run"]:
        return print_schedule(plan)
    return run_and_report(plan, values, origins(ctx))


def make_plan(ctx: click.Context, url: str | None, values: dict[str, Any]) -> Plan:
    """The plan that the flags and the environment ask for."""
    found = origins(ctx)
    headers = read_headers(values["headers"], found["headers"])
    add_authorization(values, found, headers)
    wire = read_wire_options(values, found)
    sockets = Sockets(
        send=[*read_messages(values["send"], found["send"]), *_read_files(values["send_binary"], found)],
        subscribe=read_messages(values["subscribe"], found["subscribe"]),
        list=read_messages(values["list"], found["list"]),
        unsubscribe=read_messages(values["unsubscribe"], found["unsubscribe"]),
        subprotocols=values["subprotocol"],
        **{name: values[name] for name in _OF_SOCKETS},
    )
    return Plan(
        url=url,
        headers=headers,
        sockets=sockets,
        command="ws",
        origins={_FIELDS.get(name, name): origin for name, origin in found.items() if origin != "default"}
        | ({"url": "URL"} if url is not None else {})
        | {"sockets": "default"},  # its fields have origins of their own
        **{name: values[name] for name in _SAME},
        **wire,
    )


def read_messages(texts: Sequence[str], place: str) -> list[str]:
    """Each as it is, or the lines of @FILE."""
    found = []
    for text in texts:
        if not text.startswith("@"):
            found.append(text)
            continue
        try:
            lines = Path(text[1:]).expanduser().read_text(encoding="utf-8").splitlines()
        except OSError as error:
            raise UsageError(f"{place}: {text[1:]} cannot be read: {error.strerror or error}") from None
        except UnicodeDecodeError:
            raise UsageError(f"{place}: {text[1:]} is not UTF-8") from None
        if not any(lines):
            raise UsageError(f"{place}: {text[1:]} has no messages")
        found += [line for line in lines if line]
    return found


def _read_files(names: Sequence[str], found: dict[str, str]) -> list[bytes]:
    try:
        return [Path(name).expanduser().read_bytes() for name in names]
    except OSError as error:
        text = f"{error.filename} cannot be read: {error.strerror or error}"
        raise UsageError(f"{found['send_binary']}: {text}") from None
