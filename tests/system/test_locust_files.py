"""Locust files, run as they are: what their users send, in which order, and how they come and go."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Target, TargetFactory
    from tests.support.scripts import Scripts, Told

ONE_USER = ("-u", "1", "-r", "1", "-t", "2")


class Logged:
    """The embedded target with a log: which paths were asked for, in their order."""

    def __init__(self, target: Target, log: Path) -> None:
        self.url = target.url
        self._target = target
        self._log = log

    def paths(self) -> list[str]:
        """Of all requests; the target ends with it."""
        self._target.running.interrupt()
        self._target.running.wait()
        lines = self._log.read_text().splitlines()
        return [line.rpartition(",")[2] for line in lines if line[:1].isdigit()]


@pytest.fixture
def logged(make_target: TargetFactory, tmp_path: Path) -> Logged:
    log = tmp_path / "target.log"
    return Logged(make_target("--log", str(log)), log)


def play(scripts: Scripts, source: str, url: str, *options: str) -> Told:
    return scripts(source, "-H", url, "--no-live", *options)


ORDER = """\
from locust import HttpUser, SequentialTaskSet, TaskSet, constant, task
from locust.exception import RescheduleTask, RescheduleTaskImmediately


def say(who, what):
    who.client.get("/bytes/1?" + what)


class Inner(TaskSet):
    count = 0

    def on_start(self):
        say(self, "inner-start")

    def on_stop(self):
        say(self, "inner-stop")

    @task
    def again(self):
        self.count += 1
        say(self, f"inner-{self.count}")
        if self.count == 2:
            self.interrupt(reschedule=False)


class Chain(SequentialTaskSet):
    def on_start(self):
        say(self, "chain-start")

    def on_stop(self):
        say(self, "chain-stop")

    @task
    def first(self):
        say(self, "first")

    @task(2)
    def twice(self):
        say(self, "twice")

    inner = task(Inner)

    @task
    def later(self):
        say(self, "later")
        raise RescheduleTask

    @task
    def at_once(self):
        say(self, "at-once")
        raise RescheduleTaskImmediately

    @task
    def fails(self):
        say(self, "fails")
        raise ValueError("as it should")

    @task
    def plans(self):
        say(self, "plans")
        self.schedule_task(Chain.planned, first=True)

    def planned(self):
        say(self, "planned")

    @task
    def leave(self):
        say(self, "leave")
        self.interrupt()


class Visitor(HttpUser):
    wait_time = constant(0.01)
    tasks = [Chain]

    def on_start(self):
        say(self, "user-start")

    def on_stop(self):
        say(self, "user-stop")
"""
ROUND = [
    *("chain-start", "first", "twice", "twice", "inner-start", "inner-1", "inner-2", "inner-stop"),
    *("later", "at-once", "fails", "plans", "planned", "leave", "chain-stop"),
]


def test_tasks_follow_one_another_as_their_task_sets_say(scripts: Scripts, logged: Logged) -> None:
    told = play(scripts, ORDER, logged.url, *ONE_USER)
    names = [path.partition("?")[2] for path in logged.paths()]
    assert names[0] == "user-start"
    assert names[-2:] == ["chain-stop", "user-stop"]
    assert names[1 : 1 + len(ROUND)] == ROUND
    assert names[1 + len(ROUND) : 1 + 2 * len(ROUND)] == ROUND
    told.assert_iterations_balance()
    # An exception of a task is told, fails its iteration, and the user goes on.
    errors = told.summary["script"]["errors"]
    assert [error["error"] for error in errors] == ["ValueError: as it should"]
    assert told.summary["arrivals"]["failed"] == names.count("fails") == errors[0]["count"]


CROWD = """\
from locust import FastHttpUser, HttpUser, constant, task


class Often(HttpUser):
    weight = 3
    wait_time = constant(0.05)

    def on_start(self):
        self.client.get("/bytes/1?Often")

    @task(4)
    def much(self):
        self.client.get("/bytes/2")

    @task
    def little(self):
        self.client.get("/bytes/3")


class Seldom(FastHttpUser):
    wait_time = constant(0.05)

    def on_start(self):
        self.client.get("/bytes/1?Seldom")

    @task
    def only(self):
        self.client.get("/bytes/4")


class Fixed(Seldom):
    fixed_count = 2

    def on_start(self):
        self.client.get("/bytes/1?Fixed")
"""


@pytest.mark.parametrize("workers", ["1", "2"])
def test_users_and_tasks_are_shared_out_by_weight(scripts: Scripts, logged: Logged, workers: str) -> None:
    told = play(scripts, CROWD, logged.url, "-u", "14", "-r", "100", "-t", "3", "--processes", workers)
    paths = Counter(logged.paths())
    # Of users exactly: two that are fixed, and of the twelve others three quarters.
    assert [paths[f"/bytes/1?{name}"] for name in ("Fixed", "Often", "Seldom")] == [2, 9, 3]
    # Of tasks as chance has it: within four standard deviations.
    much, little = paths["/bytes/2"], paths["/bytes/3"]
    assert abs(much - 0.8 * (much + little)) < 4 * math.sqrt((much + little) * 0.8 * 0.2) + 1
    told.assert_iterations_balance()
    labels = {one["label"] for one in told.summary["labels"] if one["kind"] == "iteration"}
    assert labels == {"Fixed", "Often", "Seldom"}


WAITS = """\
from locust import HttpUser, constant_throughput, task


class Paced(HttpUser):
    wait_time = constant_throughput(10)

    @task
    def ask(self):
        self.client.get("/bytes/1")
"""


def test_a_throughput_is_never_exceeded(scripts: Scripts, logged: Logged) -> None:
    told = play(scripts, WAITS, logged.url, "-u", "5", "-r", "100", "-t", "2")
    asked = len(logged.paths())
    assert 5 <= asked <= 5 * (10 * 2 + 1)
    # The wait is no part of the iteration.
    (label,) = [one for one in told.summary["labels"] if one["kind"] == "iteration"]
    assert label["requests"]["total"] == asked


ENDS = """\
import time

from locust import HttpUser, events, task


class Sleeper(HttpUser):
    @task
    def sleep(self):
        self.client.get("/bytes/1?asleep")
        time.sleep(3600)

    def on_stop(self):
        self.client.get("/bytes/1?stopped")


@events.test_stop.add_listener
def stop(environment, **_):
    print("seen", environment.stats.total.num_requests)


@events.quitting.add_listener
def quitting(environment, **_):
    environment.process_exit_code = 7
"""


def test_the_end_breaks_into_what_sleeps_and_on_stop_still_runs(scripts: Scripts, logged: Logged) -> None:
    told = play(scripts, ENDS, logged.url, "-u", "3", "-r", "10", "-t", "1")
    assert Counter(logged.paths()) == {"/bytes/1?asleep": 3, "/bytes/1?stopped": 3}
    assert told.exit_code == 7
    told.assert_says("seen 6")
    assert told.summary["arrivals"]["unfinished"] == 3


GIVES_UP = """\
from locust import HttpUser, constant, events, task
from locust.exception import StopUser


class Short(HttpUser):
    wait_time = constant(0.01)

    def on_start(self):
        self.left = 3

    @task
    def ask(self):
        self.client.get("/bytes/1")
        self.left -= 1
        if not self.left:
            raise StopUser


class Broken(HttpUser):
    fixed_count = 1

    def on_start(self):
        raise RuntimeError("nobody lets me in")

    @task
    def never(self):
        self.client.get("/bytes/2")
"""


def test_users_that_stop_are_gone_for_good(scripts: Scripts, logged: Logged) -> None:
    told = play(scripts, GIVES_UP, logged.url, "-u", "5", "-r", "10", "-t", "30")
    assert Counter(logged.paths()) == {"/bytes/1": 12}
    told.assert_says("RuntimeError: nobody lets me in")
    # When nobody is left there is nothing to wait for.
    assert told.summary["duration_s"] < 30


QUITS = """\
import gevent

from locust import HttpUser, events, task
from locust.runners import WorkerRunner


def watch(environment):
    while environment.stats.total.num_requests < 20:
        gevent.sleep(0.01)
    environment.runner.quit()


@events.init.add_listener
def begin(environment, **_):
    assert not isinstance(environment.runner, WorkerRunner)
    gevent.spawn(watch, environment)


class Visitor(HttpUser):
    @task
    def ask(self):
        self.client.get("/bytes/1")
"""


def test_a_file_may_end_the_run_and_that_is_no_failure(scripts: Scripts, logged: Logged) -> None:
    told = play(scripts, QUITS, logged.url, "-u", "2", "-r", "10", "-t", "3600")
    assert told.exit_code == 0
    told.assert_says("environment.runner.quit()")
    assert told.summary["requests"]["total"] >= 20


SHAPE = """\
from locust import HttpUser, LoadTestShape, constant, task


class Visitor(HttpUser):
    wait_time = constant(0.02)

    def on_start(self):
        self.client.get("/bytes/1?came")

    def on_stop(self):
        self.client.get("/bytes/1?went")

    @task
    def ask(self):
        self.client.get("/bytes/2")


class Steps(LoadTestShape):
    def tick(self):
        at = self.get_run_time()
        return None if at >= 3 else (6, 6) if at < 1 else (1, 5) if at < 2 else (4, 10)
"""


def test_a_shape_says_how_many_users_there_are(scripts: Scripts, logged: Logged) -> None:
    told = play(scripts, SHAPE, logged.url, "-t", "60")
    paths = logged.paths()
    assert Counter(paths)["/bytes/1?came"] == Counter(paths)["/bytes/1?went"] == 9
    # Five of the six had gone before three others came.
    comings = [path for path in paths if path.startswith("/bytes/1?")]
    assert [path.partition("?")[2] for path in comings[:14]] == ["came"] * 6 + ["went"] * 5 + ["came"] * 3
    told.assert_says("not heard: -t, because Steps says how many users there are")


SHAPE_OF_CLASSES = """\
from locust import LoadTestShape, User, constant, task


class A(User):
    wait_time = constant(100)

    def on_start(self):
        print("came", type(self).__name__)

    @task
    def rest(self):
        pass


class B(A):
    pass


class C(A):
    pass


class Steps(LoadTestShape):
    def tick(self):
        at = self.get_run_time()
        classes = [A, B] if at < 2 else [C]
        users = 4 if at < 1 else 1 if at < 2 else self.get_current_user_count() + 3
        return None if at >= 3 else (users, 10, classes)
"""


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_shape_says_of_which_classes_they_are(scripts: Scripts, logged: Logged, workers: str) -> None:
    told = play(scripts, SHAPE_OF_CLASSES, logged.url, "--processes", workers)
    came = [event["text"].split()[1] for event in told.events if event.get("text", "").startswith("came ")]
    assert Counter(came) == {"A": 2, "B": 2, "C": 3}
    assert came[-3:] == ["C"] * 3


GEVENT = """\
import gevent
from gevent.lock import BoundedSemaphore
from gevent.pool import Pool
from gevent.queue import Queue
from locust import HttpUser, task
from locust.exception import StopUser

lock = BoundedSemaphore(1)
results = Queue()


class Visitor(HttpUser):
    @task
    def side_by_side(self):
        pool = Pool(4)
        for number in range(10):
            pool.spawn(self.ask, number)
        pool.join()
        assert sorted(results.get() for _ in range(10)) == list(range(10))
        first, second = gevent.joinall([gevent.spawn(self.client.get, "/bytes/2") for _ in range(2)])
        assert first.value.status_code == second.value.status_code == 200
        with gevent.Timeout(0.05, False):
            self.client.get("/delay/5000")
            raise RuntimeError("nobody waits for so long")
        raise StopUser

    def ask(self, number):
        with lock:
            assert self.client.get(f"/bytes/1?{number}").ok
        results.put(number)
"""


def test_greenlets_of_a_file_run_side_by_side(scripts: Scripts, logged: Logged) -> None:
    told = play(scripts, GEVENT, logged.url, "-u", "1", "-r", "1", "-t", "20")
    assert told.summary["script"]["errors"] == []
    paths = Counter(path.partition("?")[0] for path in logged.paths())
    assert (paths["/bytes/1"], paths["/bytes/2"]) == (10, 2)


KILLS = """\
import gevent
from locust import HttpUser, task
from locust.exception import StopUser


class Visitor(HttpUser):
    @task
    def kills(self):
        first = gevent.spawn(self.client.get, "/delay/200")
        waiting = gevent.spawn(self.client.get, "/bytes/1")
        gevent.sleep(0.05)
        waiting.kill()
        first.join()
        assert first.value.ok and self.client.get("/bytes/2").ok
        raise StopUser
"""


def test_who_is_killed_in_a_queue_for_a_connection_sends_nothing(scripts: Scripts, logged: Logged) -> None:
    told = play(scripts, KILLS, logged.url, "-u", "1", "-r", "1", "-t", "20", "-c", "1")
    assert told.summary["script"]["errors"] == []
    assert logged.paths() == ["/delay/200", "/bytes/2"]
    assert told.summary["arrivals"]["unfinished"] == 0, told.summary["arrivals"]


BLOCKS = """\
import urllib.request

from locust import HttpUser, task


class Visitor(HttpUser):
    @task
    def ask(self):
        urllib.request.urlopen(self.host + "/delay/300").read()
        self.client.get("/bytes/1")
"""


def test_what_truly_blocks_is_named_with_its_line_and_the_remedy(scripts: Scripts, logged: Logged) -> None:
    told = play(scripts, BLOCKS, logged.url, "-u", "1", "-r", "1", "-t", "2")
    told.assert_points_at('urllib.request.urlopen(self.host + "/delay/300").read()', quoted=False)
    told.assert_says("blocks every user of the worker; use self.client")


TAGS = """\
from locust import HttpUser, constant, tag, task


class Visitor(HttpUser):
    wait_time = constant(0.05)

    @tag("read")
    @task
    def read(self):
        self.client.get("/bytes/1")

    @tag("read", "slow")
    @task
    def slow(self):
        self.client.get("/bytes/2")

    @task
    def untagged(self):
        self.client.get("/bytes/3")
"""


def test_tags_choose_tasks(scripts: Scripts, logged: Logged) -> None:
    play(scripts, TAGS, logged.url, *ONE_USER, "--tags", "read", "--exclude-tags", "slow")
    assert set(logged.paths()) == {"/bytes/1"}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("from locust import no_such_thing", "no locust.no_such_thing"),
        ("import locust.web", "no locust.web"),
        ("from gevent import fileobject", "no gevent.fileobject"),
    ],
)
def test_what_is_not_there_is_named(scripts: Scripts, line: str, said: str) -> None:
    told = scripts(f"{line}\nfrom locust import HttpUser\n", "-t", "1")
    assert told.exit_code == 2
    told.assert_says(said, "run the file with Locust itself")
    told.assert_points_at(line)
