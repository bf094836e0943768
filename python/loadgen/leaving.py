"""How a worker that ran a script ends: at once, whatever the script has left behind. It records nothing."""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
from typing import NoReturn

PR_SET_PDEATHSIG = 1


def leave(status: int) -> NoReturn:
    """What the script printed is kept. Its threads, or a loop that does not close, keep nothing alive."""
    logging = sys.modules.get("logging")
    for flush in (sys.stdout.flush, sys.stderr.flush, *([logging.shutdown] if logging else [])):
        with contextlib.suppress(Exception):  # the script may have put anything in their place
            flush()
    os._exit(status)


def die_with_the_parent(number: int) -> None:
    """The kernel sends this signal when the parent is gone, whatever the script is doing; 0 for none."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, number)
