"""Users that wait for an hour, and one that collects garbage beside them: the longest pause after the ramp.

The ramp is over when no user has begun for a while. From then on full collections are forced, which is the
worst that can happen; each worker writes `pauses-<pid>` into the folder $BENCH_FOLDER.
"""

import gc
import os
import time
from pathlib import Path

from loadgen import User, scenario

RAMP_IS_OVER_AFTER_S = 2.0
COLLECTIONS = 5


class Pauses:
    """The longest collection since the last user began, in ns; how many users there are."""

    def __init__(self) -> None:
        self.users = 0
        self.last_began = time.monotonic()
        self.longest_ns = 0
        self._since_ns = 0

    def user_begins(self) -> bool:
        """True for the first one of this process."""
        self.users += 1
        self.last_began = time.monotonic()
        return self.users == 1

    def collecting(self, phase: str, _: dict[str, int]) -> None:
        if phase == "start":
            self._since_ns = time.perf_counter_ns()
        else:
            self.longest_ns = max(self.longest_ns, time.perf_counter_ns() - self._since_ns)

    def tell(self) -> None:
        told = f"{self.users} {self.longest_ns}"
        Path(os.environ["BENCH_FOLDER"], f"pauses-{os.getpid()}").write_text(told)


PAUSES = Pauses()
gc.callbacks.append(PAUSES.collecting)


@scenario
async def parked(user: User) -> None:
    if PAUSES.user_begins():
        await measure(user)
    await user.pause(3600)


async def measure(user: User) -> None:
    while time.monotonic() < PAUSES.last_began + RAMP_IS_OVER_AFTER_S:
        await user.pause(0.1)
    PAUSES.longest_ns = 0
    for _ in range(COLLECTIONS):
        await user.pause(0.2)
        gc.collect()
    PAUSES.tell()
