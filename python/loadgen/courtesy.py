"""How the parent behaves beside its workers: where they share a core, they go first. It measures nothing."""

from __future__ import annotations

import contextlib
import os
import threading
import time

# Steps of nice: a tenth of a worker's weight, which is still enough to follow a run on a busy machine.
POLITENESS = 10
# Long enough for all that a worker has to send by then.
BREATH_S = 0.0002


def let_workers_go_first() -> None:
    """This thread, and what it starts from here on, waits where a worker wants the same core.

    What the parent does each second would otherwise keep a worker from sending for some ms. There is no way
    back without privileges: the thread should end with the run.
    """
    # What the user has chosen stands.
    if not hasattr(os, "SCHED_BATCH") or os.sched_getscheduler(0) != os.SCHED_OTHER:
        return
    thread = threading.get_native_id()
    with contextlib.suppress(OSError):  # a sandbox may forbid it
        # The first: it does not break in when it wakes. The second: a worker that spins does, before it has
        # waited for a fair share of the core.
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
        os.setpriority(os.PRIO_PROCESS, thread, os.getpriority(os.PRIO_PROCESS, thread) + POLITENESS)


def breathe() -> None:
    """Between two pieces of what the parent does each second: a worker that waits for this core has it now.

    A piece shall take less than a millisecond, for so long no arrival is called late.
    """
    time.sleep(BREATH_S)
