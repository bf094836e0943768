"""The live page of a run with 1,000 labels, an hour old, while somebody scrolls: frames, and CPU.

    .venv/bin/python -m tests.bench.page --duration 30

The run is real. The hour before it is made (tests/support/long_feed.py): nobody waits that long for a figure.
A frame is what requestAnimationFrame says; at 60 a second one takes 16.7 ms. The share of a core is that of
the run's own process, without workers and target, with nobody looking and with the browser looking.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from playwright.sync_api import sync_playwright

from tests.bench.measure import machine
from tests.support.command import Loadgen, RunningCommand
from tests.support.long_feed import LongFeed

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

SCRIPT = Path(__file__).parent / "scenarios" / "thousand_labels.py"
FRAME_MS = 1000 / 60
# Stamps are multiples of a frame, told to a tenth of a millisecond.
TOLERANCE_MS = 0.15
SETTLE_S = 6.0
WHEEL_S = 0.05
RECORD = """() => {
    window.frames_ms = [];
    let last = null;
    const frame = (now) => {
        if (last !== null) frames_ms.push(now - last);
        last = now;
        requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
}"""


def cpu_s(pid: int) -> float:
    """User and system time of a process, without its children."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def share_of_core(pid: int, seconds: float) -> float:
    before, begun = cpu_s(pid), time.monotonic()
    time.sleep(seconds)
    return (cpu_s(pid) - before) / (time.monotonic() - begun)


def scroll(browser: Browser, page: Page, seconds: float) -> dict[str, Any]:
    """Down and up with the wheel all the time; returns what page and browser have recorded."""
    page.mouse.move(640, 450)
    browser.start_tracing(page=page, categories=["toplevel"])
    page.evaluate(RECORD)
    ends_at, downwards = time.monotonic() + seconds, True
    turn_at = time.monotonic() + 4
    while time.monotonic() < ends_at:
        page.mouse.wheel(0, 80 if downwards else -80)
        time.sleep(WHEEL_S)
        if time.monotonic() > turn_at:
            downwards, turn_at = not downwards, time.monotonic() + 4
    found: dict[str, Any] = page.evaluate("({frames: frames_ms})")
    return found | {"tasks": sorted(tasks_ms(browser.stop_tracing())), "seconds": seconds}


def tasks_ms(trace: bytes) -> list[float]:
    """CPU time of each task of the page's main thread: what it would take if it had the machine to itself."""
    events = json.loads(trace)["traceEvents"]
    main = {
        (event["pid"], event["tid"])
        for event in events
        if event["name"] == "thread_name" and event["args"]["name"] == "CrRendererMain"
    }
    return [
        event["tdur"] / 1000
        for event in events
        if event["name"] == "ThreadControllerImpl::RunTask"
        and (event["pid"], event["tid"]) in main
        and "tdur" in event
    ]


def report(name: str, found: dict[str, Any]) -> None:
    frames = sorted(found["frames"])
    at = [frames[min(len(frames) - 1, round(share * len(frames)))] for share in (0.5, 0.99)]
    over = sum(frame > FRAME_MS + TOLERANCE_MS for frame in frames) / len(frames)
    print(
        f"{name:28} {len(frames):6,} frames  p50 {at[0]:5.1f} ms  p99 {at[1]:5.1f} ms"
        f"  longest {frames[-1]:6.1f} ms  above 16.7 ms {over:6.2%}"
    )
    tasks = found["tasks"]
    print(
        f"{'':28} its CPU: {sum(tasks) / found['seconds']:.0f} ms a second, longest tasks"
        f" {', '.join(f'{task:.1f}' for task in tasks[:-6:-1])} ms"
    )


def start(command: Loadgen, duration_s: float, rate: int) -> tuple[RunningCommand, str]:
    running = command.start(
        *(
            "run",
            str(SCRIPT),
            "--tps",
            str(rate),
            "--duration",
            f"{duration_s:.0f}s",
            "--workers",
            "1",
            "--page",
        )
    )
    return running, running.wait_for_line(r"live page: (http://\S+)", stream="stderr")[1]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--duration", type=float, default=30.0, help="seconds of scrolling (default: 30)")
    parser.add_argument(
        "--rate", type=int, default=10, help="iterations a second, of 50 requests each (default: 10)"
    )
    parser.add_argument("--chromium", default="/usr/bin/chromium")
    options = parser.parse_args()
    print(machine())
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        command = Loadgen(Path(folder))
        arguments = ["--no-sandbox", "--disable-dev-shm-usage"]
        browser = playwright.chromium.launch(executable_path=options.chromium, args=arguments)
        try:
            duration_s = 2 * SETTLE_S + 3 * options.duration + 10
            running, url = start(command, duration_s, options.rate)
            time.sleep(SETTLE_S)
            alone = share_of_core(running.pid, options.duration / 2)
            with LongFeed(url) as feed:
                page = browser.new_page(viewport={"width": 1280, "height": 900})
                page.goto(feed.url)
                page.get_by_text("1,001 labels", exact=True).wait_for(timeout=30_000)
                looked_at = share_of_core(running.pid, options.duration / 2)
                report("charts and tables", scroll(browser, page, options.duration))
                page.locator("#labels").scroll_into_view_if_needed()
                report("the thousand labels", scroll(browser, page, options.duration / 2))
                page.close()
                running.interrupt()
                running.wait()
            print(
                f"the run's own process: {alone:.2%} of a core with nobody looking, {looked_at:.2%} looked at"
            )
        finally:
            browser.close()
            command.stop()


if __name__ == "__main__":
    main()
