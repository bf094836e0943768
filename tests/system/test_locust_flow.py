"""How a Locust user goes on, or ends, where its file does not do the usual: the run goes on beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.conftest import Target
    from tests.support.locustfiles import Locustfiles

HEAD = """
import time
from locust import *
from locust.exception import *

class Fine(User):
    fixed_count = 1
    wait_time = constant(0.05)

    @task
    def well(self):
        pass
"""


def run(
    locustfiles: Locustfiles, source: str, *arguments: str
) -> tuple[list[str], dict[str, tuple[int, int]]]:
    """What the file printed, and of each class how many tasks began and failed."""
    ended = locustfiles.run(HEAD + source, "-u", "9", "-r", "100", *(arguments or ("-t", "1s")))
    labels = ended.result.summary["labels"]
    found = {one["label"]: one["requests"] for one in labels if one["kind"] == "iteration"}
    counts = {name: (one["ok"] + one["failed"], one["failed"]) for name, one in found.items()}
    assert counts["Fine"][0] >= 5, ended.result
    return ended.printed, counts


def test_a_user_without_tasks_fails_turn_by_turn_and_keeps_nobody(locustfiles: Locustfiles) -> None:
    source = """
class Empty(User):
    fixed_count = 1
    wait_time = constant(0.1)
"""
    _, counts = run(locustfiles, source)
    assert counts["Empty"][0] == counts["Empty"][1] >= 3


def test_a_wait_that_is_none_ends_its_user(locustfiles: Locustfiles) -> None:
    source = """
class Nothing(User):
    fixed_count = 1

    def wait_time(self):
        return None

    @task
    def once(self):
        pass

class Raises(Nothing):
    fixed_count = 1

    def wait_time(self):
        raise ValueError("no wait")
"""
    _, counts = run(locustfiles, source)
    assert (counts["Nothing"], counts["Raises"]) == ((1, 0), (1, 0))


def test_what_on_start_raises_is_told(locustfiles: Locustfiles) -> None:
    source = """
class Stops(User):
    fixed_count = 1

    def on_start(self):
        raise StopUser

    @task
    def never(self):
        print("never")

    def on_stop(self):
        print("stopped", type(self).__name__)

class Broken(Stops):
    fixed_count = 1

    def on_start(self):
        raise RescheduleTask

@events.user_error.add_listener
def told(user_instance, exception, tb):
    print("told", type(user_instance).__name__, repr(exception))

@events.quit.add_listener
def quit(exit_code, **rest):
    print("quit", exit_code)
"""
    printed, _ = run(locustfiles, source)
    said = sorted(line for line in printed if line.startswith(("told", "stopped", "never", "quit")))
    assert said == ["quit 1", "stopped Stops", "told Broken RescheduleTask()"]


def test_a_user_is_stopped_after_its_task_or_where_it_waits(locustfiles: Locustfiles) -> None:
    source = """
class Sleepy(User):
    fixed_count = 1
    wait_time = constant(100)
    known = []

    @task
    def once(self):
        self.known.append(self)

    def on_stop(self):
        print("Sleepy stopped")

class Stopper(User):
    fixed_count = 1

    @task
    def stop_both(self):
        time.sleep(0.3)
        print(Sleepy.known[0].stop(), self.stop())
        time.sleep(0.1)
        print("its task goes on")

    def on_stop(self):
        print("Stopper stopped")
"""
    printed, counts = run(locustfiles, source)
    assert [line for line in printed if line.startswith(("Sl", "T", "its", "St"))] == [
        *("True False", "Sleepy stopped", "its task goes on", "Stopper stopped"),
    ]
    assert counts["Stopper"] == (1, 0)


def test_tasks_are_found_where_they_are_written(locustfiles: Locustfiles) -> None:
    source = """
class Chain(SequentialTaskSet):
    @task
    def first(self):
        self.schedule_task(self.bound)
        print("first")

    def bound(self):
        print("bound")

    def listed(self):
        print("listed")

    tasks = [listed]

    @task
    def last(self):
        print("last")
        raise StopUser

class Ordered(User):
    fixed_count = 1
    tasks = [Chain]

class Planning(TaskSet):
    def get_next_task(self):
        self.schedule_task(self.planned)
        return self.drawn

    def planned(self):
        print("planned")

    def drawn(self):
        print("drawn")
        raise StopUser

class Planner(User):
    fixed_count = 1
    tasks = [Planning]

class Walk(MarkovTaskSet):
    @transition("second")
    def begins(self):
        print("begins")

    @transition("begins")
    def second(self):
        raise StopUser

class Walker(User):
    fixed_count = 1
    tasks = [Walk]

class Inherits(User):
    fixed_count = 1

    @task
    class One(TaskSet):
        @task
        def leave(self):
            self.interrupt()

    class Another(One):
        pass

@events.init.add_listener
def count(**rest):
    print("tasks", len(Inherits.tasks))
"""
    printed, _ = run(locustfiles, source)
    assert [line for line in printed if line in ("first", "bound", "listed", "last")] == [
        *("first", "bound", "listed", "last")
    ]
    assert [line for line in printed if line in ("planned", "drawn")] == ["planned", "drawn"]
    assert printed.count("begins") == 1
    assert "tasks 2" in printed


def test_a_pace_counts_from_when_its_user_was_made(locustfiles: Locustfiles) -> None:
    source = """
class Paced(User):
    fixed_count = 1
    wait_time = constant_pacing(0.5)
    began = 0.0

    @task
    def late(self):
        now = time.monotonic()
        print("apart", round(now - self.began, 1) if self.began else "")
        self.began = now
        time.sleep(0.3)
"""
    printed, _ = run(locustfiles, source, "-t", "2s")
    apart = [line.split()[1] for line in printed if line.startswith("apart ")]
    assert apart[0] in ("0.5", "0.6")


def test_a_file_that_has_enough_is_left_at_once(locustfiles: Locustfiles, target: Target) -> None:
    source = """
from locust import HttpUser, events, task

class Counts(HttpUser):
    done = 0

    @task
    def ask(self):
        Counts.done += 1
        if Counts.done > 20:
            print("too many")
        self.client.get("/bytes/1")
        if Counts.done == 20:
            self.environment.runner.quit()

    def on_stop(self):
        self.client.get("/bytes/2")

@events.test_stopping.add_listener
def stopping(environment, **rest):
    print("stopping", environment.runner.user_count)

@events.test_stop.add_listener
def stop(environment, **rest):
    print("stop", environment.runner.user_count)
"""
    ended = locustfiles.run(source, "-H", target.url, "-u", "1", "-t", "60s")
    assert ended.exit_code == 0, ended.result
    assert [line for line in ended.printed if line.startswith(("too", "stop"))] == ["stopping 1", "stop 0"]
    assert ended.labels == {"GET /bytes/1": (20, 0), "GET /bytes/2": (1, 0)}


def test_a_listener_that_fails_is_counted_and_one_of_init_is_the_end(locustfiles: Locustfiles) -> None:
    source = """
@events.{event}.add_listener
def broken(**rest):
    raise RuntimeError("on purpose")
"""
    ended = locustfiles.run(HEAD + source.format(event="test_start"), "-t", "1s")
    assert ended.exit_code == 1, ended.result
    assert ended.errors == ["RuntimeError: on purpose"]
    ended = locustfiles.run(HEAD + source.format(event="init"), "-t", "60s")
    assert ended.exit_code == 5, ended.result
    assert "listener of init: RuntimeError: on purpose" in ended.result.stderr


def test_fixed_counts_alone_are_all_the_users_there_are(locustfiles: Locustfiles) -> None:
    source = """
from locust import *

class Two(User):
    fixed_count = 2
    wait_time = constant(100)

    @task
    def once(self):
        pass

class Nobody(Two):
    fixed_count = 0
    weight = 0
"""
    ended = locustfiles.run(source, "-u", "9", "-r", "100", "-t", "1s")
    assert "Two: 2 users for 1s" in ended.result.stdout
