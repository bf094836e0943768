"""Users of the kinds that Locust has: some do the same in every run, some draw what they do."""

import itertools

from locust import FastHttpUser, HttpUser, SequentialTaskSet, TaskSet, between, constant, tag, task
from locust.exception import RescheduleTask, StopUser

numbers = itertools.count()


class Steps(SequentialTaskSet):
    def on_start(self):
        self.rounds = 0

    @task
    def listing(self):
        self.client.get("/items", params={"q": "tea & milk", "page": [1, 2]}, headers={"X-Step": "1"})

    @task
    def login(self):
        with self.client.post("/login", json={"name": "u", "n": [1, None]}, catch_response=True) as response:
            if response.json()["path"] != "/login":
                response.failure("wrong path")

    @task
    def form(self):
        self.client.post("/form", data={"a": "1", "b": "x y"}, name="the form")
        self.client.put("/text", data="words")

    @task
    def gone(self):
        self.client.get("/status/404")
        with self.client.get("/status/500", catch_response=True, name="known") as response:
            response.success()
        with self.client.get("/items", catch_response=True) as response:
            response.failure("I do not like it")

    @task
    def moved(self):
        response = self.client.get("/redirect", auth=("me", "secret"))
        assert response.url.endswith("/items"), response.url
        self.client.get("/redirect", allow_redirects=False)

    @task
    def broken(self):
        self.rounds += 1
        if self.rounds == 3:
            raise StopUser
        if self.rounds == 2:
            raise ValueError("a bug in the file")


class Ordered(HttpUser):
    fixed_count = 2
    wait_time = constant(0.01)
    tasks = [Steps]

    def on_start(self):
        self.client.headers["X-User"] = f"ordered {next(numbers)}"
        self.client.get("/hello")

    def on_stop(self):
        self.client.delete("/bye")


class Fast(FastHttpUser):
    fixed_count = 2
    wait_time = constant(0.01)

    def on_start(self):
        self.name = f"fast {next(numbers)}"
        self.rounds = 0

    @task
    def everything(self):
        me = {"X-User": self.name}
        self.client.get("/items?q=1", headers=me)
        self.client.post("/login", json={"a": 1}, headers=me)
        self.client.post("/form", data={"a": "1"}, headers=me)
        self.client.get("/status/404", headers=me)
        with self.rest("GET", "/json", headers=me) as response:
            if response.js["path"] != "/json":
                response.failure("wrong")
        self.rounds += 1
        if self.rounds == 5:
            raise StopUser


class Visits(TaskSet):
    @task(3)
    def often(self):
        self.client.get("/often")

    @task
    def seldom(self):
        self.client.get("/seldom")

    @tag("never")
    @task(5)
    def never(self):
        self.client.get("/never")

    @task(2)
    class Inner(TaskSet):
        @task(4)
        def inside(self):
            self.client.get("/inside")

        @task(1)
        def leave(self):
            self.client.get("/leave")
            self.interrupt(reschedule=True)


class Drawn(HttpUser):
    weight = 3
    wait_time = between(0.0, 0.01)
    tasks = [Visits]

    def on_start(self):
        self.client.headers["X-User"] = f"drawn {next(numbers)}"


class Other(HttpUser):
    weight = 1
    wait_time = between(0.0, 0.01)

    def on_start(self):
        self.client.headers["X-User"] = f"other {next(numbers)}"

    @task
    def one(self):
        self.client.get("/one")
