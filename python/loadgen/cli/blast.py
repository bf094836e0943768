"""`loadgen blast`: from flags to a plan. The run itself is run.py's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from loadgen.cli.options import (
    PRESET_HELP,
    add_authorization,
    blast_options,
    option,
    origins,
    prefer_flags,
    read_body,
    read_headers,
    read_stages,
    read_wire_options,
    take_large_body,
)
from loadgen.cli.running import print_schedule, run_and_report
from loadgen.errors import UsageError
from loadgen.plan import Plan

# Options that have the plan's names and values, and those whose names are not the plan's.
_SAME = (
    *("users", "duration", "preset", "arrivals", "seed", "drop_late"),
    *("connections", "workers", "pacing", "reactor", "drain", "method", "timeout", "thresholds", "name"),
    *("targets", "data"),
)
_FIELDS = {"tps": "rate", "stage": "stages", "json_text": "body", "body_file": "body"}
_FIELDS |= {
    "compressed": "compression",
    "form": "body",
    "multipart": "body",
    "auth": "headers",
    "bearer": "headers",
    "location": "follow_redirects",
    "max_redirs": "max_redirects",
}
_EPILOG = f"""\b
Examples:
  loadgen blast --tps 5000
  loadgen blast http://127.0.0.1:8000/bytes/1000 --tps 200 -d 1m
  loadgen blast http://127.0.0.1:8000/ --users 50 --threshold "p99 < 250ms"
  loadgen blast http://127.0.0.1:8000/ --stage 30s:1000 --stage 1m:1000
  loadgen blast http://127.0.0.1:8000/ --json '{{"name": "x"}}' --tps 100
  loadgen blast "/status/{{{{code}}}}?n={{{{k}}}}" --data codes.csv --tps 100
  loadgen blast http://127.0.0.1:8000 --targets requests.txt --tps 500
  loadgen blast http://127.0.0.1:8000/echo -F title=cat -F photo=@cat.png
  loadgen blast http://127.0.0.1:8000/old -L --users 20
  loadgen blast /delay/20 --preset spike --tps 100 --arrivals poisson
  loadgen blast --tps 1000 --dry-run | head

Without a URL the embedded target takes the load; a path alone is a path on it.

\b
A file for --targets has a request a line, headers and @FILE below it:
  3 GET /items
  1 POST http://127.0.0.1:8000/items
  Content-Type: application/json
  @item.json
Three of four are the first; without weights they come in turn.
vegeta's files, text and JSON, work too.

\b
{{{{name}}}} in URL, headers and body is a column of --data; request k takes row
k mod rows. Without a file there are
  {{{{k}}}}     its number          {{{{random}}}}     a whole number below 10^9
  {{{{uuid}}}}  a random UUID       {{{{timestamp}}}}  milliseconds since 1970
  {{{{due_ns}}}}  when it was due, in ns, on the clock of all stamps
Random values follow --seed. {{{{open}}}} sends two opening braces.

{PRESET_HELP}

\b
Exit codes: 0 passed, 1 a threshold failed, 2 cannot be done as asked,
3 invalid: the generator was the limit or a worker was lost,
4 the target could not be reached at all, 130 interrupted.
"""


@click.command(epilog=_EPILOG)
@click.argument("url", required=False)
@blast_options
@option("--dry-run", is_flag=True, help="Send nothing: print each arrival's number and due time in seconds.")
@click.pass_context
def blast(ctx: click.Context, /, url: str | None, **values: Any) -> int:
    """Send one request over and over, at a rate or by users.

    With --tps, --stage or --preset requests are sent when they are due, whatever the target does (open
    model), and response times count from then. With --users each of N users sends its next when the last is
    answered (closed).
    """
    plan = make_plan(ctx, url, values)
    if values["dry_run"]:
        return print_schedule(plan)
    return run_and_report(plan, values, origins(ctx))


def make_plan(ctx: click.Context, url: str | None, values: dict[str, Any]) -> Plan:
    """The plan that the flags and the environment ask for."""
    found = origins(ctx)
    prefer_flags(values, found)
    return plan_of(url, values, found)


def plan_of(url: str | None, values: dict[str, Any], found: dict[str, str]) -> Plan:
    """The plan of these values; `found` says where each came from."""
    if url is not None and url.endswith((".py", ".yml", ".yaml")) and Path(url).is_file():
        raise UsageError(f"{url} is a file: expected a URL", hint=f"loadgen run {url}")
    headers = read_headers(values["headers"], found["headers"])
    body_file = take_large_body(url, values)
    body = read_body(values, found, headers)
    auth = add_authorization(values, found, headers)
    if headers and found["headers"] == "default":  # some were brought along
        bringing = ("json_text", "form", "multipart")
        found["headers"] = next((found[name] for name in bringing if found[name] != "default"), "default")
    wire = read_wire_options(values, found)
    fields = _FIELDS if body_file is None else {**_FIELDS, "body_file": "body_file"}
    if auth is not None:
        fields = {**fields, "auth": "auth"}
    if values["max_redirs"] is not None:
        wire["max_redirects"] = values["max_redirs"]
    return Plan(
        url=url,
        headers=headers,
        body=body,
        auth=auth,
        follow_redirects=values["location"],
        compression=values["compressed"],
        body_file=body_file,
        expect_continue=values["expect_continue"],
        rate=values["tps"],
        stages=read_stages(values["stage"], found["stage"]),
        origins={fields.get(name, name): origin for name, origin in found.items() if origin != "default"}
        | ({"url": "URL"} if url is not None else {}),
        **{name: values[name] for name in _SAME},
        **wire,
    )
