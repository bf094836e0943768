"""What a thread does to itself so that workers go first."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from loadgen import courtesy

T = TypeVar("T")


def in_a_thread(work: Callable[[], T]) -> T:
    """What it returns. What the thread does to itself ends with it."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(work).result()


def standing() -> tuple[int, int]:
    """This thread's policy, and how polite it is."""
    return os.sched_getscheduler(0), os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


def after_giving_way() -> tuple[int, int]:
    courtesy.let_workers_go_first()
    return standing()


def test_a_thread_gives_way_and_no_other_one_does() -> None:
    policy, nice = standing()
    assert in_a_thread(after_giving_way) == (os.SCHED_BATCH, min(19, nice + courtesy.POLITENESS))
    assert standing() == in_a_thread(standing) == (policy, nice)


def test_a_policy_that_the_user_has_chosen_stands() -> None:
    def chosen() -> tuple[int, int]:
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
        return after_giving_way()

    assert in_a_thread(chosen) == (os.SCHED_BATCH, standing()[1])
