"""`loadgen quick URL`: so many virtual users, each with so many requests, as `artillery quick` has it."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click

from loadgen.cli.options import Parsed, option
from loadgen.errors import UsageError
from loadgen.units import is_utf8, parse_count, quoted

_COUNT = Parsed(parse_count)
GREETING = "hello from loadgen!"
_EPILOG = """\b
Examples:
  loadgen quick http://127.0.0.1:8000/
  loadgen quick --count 20 --num 100 http://127.0.0.1:8000/bytes/1000
  loadgen quick -c 10 -n 5 ws://127.0.0.1:8000/ws/echo
  loadgen quick -o report.json http://127.0.0.1:8000/   and Artillery's report

The users arrive within a second, each on a connection of its own. For a rate
that is kept, whatever the target does, see loadgen blast.
"""


@click.command(epilog=_EPILOG)
@click.argument("url")
@option("-c", "--count", metavar="N", type=_COUNT, default=10, show_default=True, help="Virtual users.")
@option("-n", "--num", metavar="N", type=_COUNT, default=10, show_default=True, help="Requests of each.")
@option("-o", "--output", multiple=True, metavar="FILE|KIND[=ARG]", help="As of loadgen run. Repeatable.")
@option("-k", "--insecure", is_flag=True, help="Trust whoever answers, whatever the certificate says.")
@option("-q", "--quiet", is_flag=True, help="Say less.")
@option("--out", metavar="DIR", help="The run folder.")
@option("--summary-json", metavar="PATH", help='The summary also here; "-" is stdout.')
def quick(url: str, count: int, num: int, **values: Any) -> int:
    """Send a few requests to a URL, without a script: HTTP, or messages over WebSockets."""
    from loadgen.cli.artillery import artillery

    flags = [f"--output={one}" for one in values["output"]]
    flags += [f"--{name}" for name in ("insecure", "quiet") if values[name]]
    flags += [
        f"--{name.replace('_', '-')}={values[name]}" for name in ("out", "summary_json") if values[name]
    ]
    with tempfile.TemporaryDirectory(prefix="loadgen-") as folder:
        path = Path(folder, "quick.json")
        path.write_text(json.dumps(script_of(url, count, num)), encoding="utf-8")
        code: int = artillery.main([str(path), *flags], prog_name="loadgen quick", standalone_mode=False)
        return code


def script_of(url: str, count: int, num: int) -> dict[str, Any]:
    """The Artillery script that it comes to."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https", "ws", "wss") or not parts.netloc:
        raise UsageError(f"expected a URL such as http://host/path or ws://host/path, got {quoted(url)}")
    if not is_utf8(url):
        raise UsageError(f"{quoted(url)} is not UTF-8")
    is_socket = parts.scheme.startswith("ws")
    step: dict[str, Any] = {"send": GREETING} if is_socket else {"get": {"url": url}}
    flow = [{"loop": [step], "count": num}]
    return {
        "config": {
            "target": url if is_socket else f"{parts.scheme}://{parts.netloc}",
            "phases": [{"duration": 1, "arrivalCount": count}],
        },
        "scenarios": [{"name": "quick", "engine": "ws" if is_socket else "http", "flow": flow}],
    }
