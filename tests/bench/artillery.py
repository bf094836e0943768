"""What an Artillery script costs: one flow with a GET and an expectation, under loadgen and under Artillery.

    LOADGEN_PEERS=FOLDER python -m tests.bench.artillery --pairs 3 --duration 8

The embedded target on the last core counts the requests, the tools on the first take turns. CPU time is of
the whole tool, its start included; each has as many virtual users a second as it can begin without falling
behind. Each virtual user has a connection of its own, as Artillery has it; with a `pool` they share some.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import tempfile
import urllib.request
from pathlib import Path

from tests.bench.alone import LOADGEN, target
from tests.bench.measure import available_cores, machine, run_pinned

# Virtual users a second.
RATES = {"loadgen": 3000, "Artillery": 200}


def script(url: str, rate: int, duration_s: int, pool: int | None) -> str:
    """JSON is YAML, and Artillery reads both."""
    http = {"pool": pool} if pool else {}
    config = {
        "target": url,
        "phases": [{"duration": duration_s, "arrivalRate": rate}],
        "http": http,
        "plugins": {"expect": {}},
    }
    flow = [{"get": {"url": "/", "expect": [{"statusCode": 200}]}}]
    return json.dumps({"config": config, "scenarios": [{"flow": flow}]})


def requests_of(url: str) -> int:
    with urllib.request.urlopen(f"{url}/requests") as response:  # noqa: S310 - our own target
        return int(json.load(response)["total"])


def cost_us(name: str, binary: str, duration_s: int, pool: int | None) -> float:
    """CPU time for each virtual user, which makes one request."""
    with target(available_cores()[-1]) as url, tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "test.json"
        file.write_text(script(url, RATES[name], duration_s, pool))
        options = (
            ["--workers", "1", "--no-live", "--out", f"{folder}/run"] if name == "loadgen" else ["--quiet"]
        )
        cost = run_pinned([binary, "run", str(file), *options], available_cores()[:1])
        done = requests_of(url)
        wanted = RATES[name] * duration_s
        if done < 0.9 * wanted:
            print(f"{name} fell behind: {done:,} of {wanted:,} requests")
        return cost.cpu_s / max(1, done) * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--duration", type=int, default=8)
    chosen = parser.parse_args()
    print(machine())
    peer = shutil.which("artillery", path=os.environ.get("LOADGEN_PEERS", "")) or shutil.which("artillery")
    tools = [("loadgen", LOADGEN), *([("Artillery", peer)] if peer else [])]
    if peer is None:
        print("Artillery is not here: its rows are missing")
    for pool, words in ((None, "a connection for each virtual user"), (50, "a pool of 50 connections")):
        figures: dict[str, list[float]] = {name: [] for name, _ in tools}
        for _ in range(chosen.pairs):
            for name, binary in tools:
                figures[name].append(cost_us(name, binary, chosen.duration, pool))
        own = statistics.median(figures["loadgen"])
        print(f"{words}: CPU for each virtual user, µs")
        for name, values in figures.items():
            middle = statistics.median(values)
            print(
                f"  {name:<10}{middle:10.1f}{min(values):10.1f}{max(values):10.1f}{middle / own:8.1f} times"
            )


if __name__ == "__main__":
    main()
