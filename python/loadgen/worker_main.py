"""A worker process: `python -m loadgen.worker_main --block-fd FD --index I`. It must import nothing heavy.

The parent writes the plan and commands to stdin and reads `ready`, `done` and `error` from stdout; the engine
does everything between. Not argparse, not click, not sys.stdin: each would cost memory or read ahead into the
commands.
"""

from __future__ import annotations

import os
import select
import signal
import sys


def main(arguments: list[str]) -> int:
    """Run one share of the plan; 0 when it is done, 1 with an `error` line when it cannot be."""
    # The terminal sends Ctrl-C to the whole group; what follows from it, the parent says on stdin. The parent
    # starts us with SIGINT blocked, so that there is no instant at which it would kill us.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    options = dict(zip(arguments[::2], arguments[1::2], strict=True))
    # What a script prints must not be taken for what we tell the parent.
    reports = os.dup(1)
    os.dup2(2, 1)
    # Nor may it take for its input what the parent tells us.
    orders = os.dup(0)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    is_scripted = False
    try:
        from loadgen import _engine

        plan = _read_plan(orders)
        # Within a string of the document these quotes would be escaped.
        is_scripted = b'"script":{' in plan
        if is_scripted:
            _prepare_for_a_script(orders)
            from loadgen import scripted

            scripted.main(plan, int(options["--block-fd"]), int(options["--index"]), orders, reports)
        _engine.run_worker(plan, int(options["--block-fd"]), int(options["--index"]), orders, reports)
    except BaseException as error:  # noqa: BLE001 - whatever it is, the parent must hear of it
        text = " ".join(f"{type(error).__name__}: {error}".split())
        os.write(reports, f"error {text}\n".encode("utf-8", "backslashreplace"))
        if is_scripted:
            from loadgen.leaving import leave

            leave(1)
        return 1
    return 0


def _prepare_for_a_script(orders: int) -> None:
    """What it prints is seen line by line, and it does not outlive the parent, even in a call that blocks."""
    # Python took descriptor 1 for a file while it was the pipe of our reports.
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    from loadgen.leaving import die_with_the_parent

    die_with_the_parent(signal.SIGKILL)
    # It may have gone before that. Then nobody holds the other end of the orders.
    look = select.poll()
    look.register(orders, 0)
    if look.poll(0):
        raise EOFError("the parent went before the script was read")


def _read_plan(descriptor: int) -> bytes:
    """The first line. Nothing follows it before our `ready`, so large pieces take nothing from the engine."""
    plan = bytearray()
    while not plan.endswith(b"\n"):
        piece = os.read(descriptor, 65536)
        if not piece:
            raise EOFError("the parent went before it had sent a plan")
        plan += piece
    return bytes(plan[:-1])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
