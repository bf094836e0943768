"""`loadgen convert` of Locust files: what is written is formatted, and asks what the file asks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.converter import Converter
from tests.support.site import Asked, Site, answer, moved

if TYPE_CHECKING:
    from tests.conftest import RawServerFactory
    from tests.support.command import Loadgen


Asking = tuple[str, str, bytes, str | None]

SHOP = '''"""A shop."""

import json
import random
import time

from locust import HttpUser, SequentialTaskSet, TaskSet, between, constant, tag, task

WORDS = ["tea", "mate"]
JSON = {"Content-Type": "application/json"}


def check(response):
    """Used by two tasks."""
    if response.status_code >= 400:
        response.failure(f"status {response.status_code}")


def visit(shopper, page):
    return shopper.client.get(f"/page/{page}", name="/page")


class Browsing(TaskSet):
    """What most people do."""

    limit = 10

    def on_start(self):
        self.seen = 0

    # Looks for words.
    @tag("search")
    @task(3)
    def search(self):
        word = random.choice(WORDS)
        with self.client.get(
            "/search", params={"q": word, "limit": self.limit}, catch_response=True
        ) as response:
            # A comment stays where it is.
            if response.json()["ok"] is True:
                response.success()
            else:
                response.failure("nothing found")
            check(response)
        self.seen += 1
        if self.seen > 1:
            return
        time.sleep(0.001)
        self.client.get(f"/seen/{self.seen}", name="/seen")

    @task
    def look(self):
        if visit(self, "one").status_code != 200:
            return
        token = self.token_of(self.client.get("/token").json())
        self.client.post("/raw", data=json.dumps({"token": token}), headers=JSON)
        self.client.put(
            "/raw",
            data=f"<{token}>",
            headers={"Content-Type": "text/xml"},
            timeout=(3, 5),
            verify=False,
        )

    def token_of(self, answered):
        return answered["token"]

    @task
    def leave(self):
        self.interrupt()


class Ordering(SequentialTaskSet):
    @task
    def basket(self):
        self.client.get("/old", allow_redirects=True)
        self.client.get("/old", allow_redirects=False)

    @task(2)
    def pay(self):
        with self.client.post("/pay", {"amount": 3}, catch_response=True) as paid:
            if paid.elapsed.total_seconds() > 60:
                paid.failure("slow")

    @task
    def thanks(self):
        self.client.get("/thanks")
        self.interrupt()


class Shopper(HttpUser):
    wait_time = between(0.001, 0.002)
    tasks = {Browsing: 3, Ordering: 1}

    def on_start(self):
        self.client.post("/login", json={"name": "me"})


class Watcher(HttpUser):
    weight = 2
    wait_time = constant(0.001)

    @task
    def watch(self):
        self.client.get("/watch")
'''


def _page(asked: Asked) -> bytes:
    if asked.target == "/old":
        return moved("/new")
    return answer(200, body=json.dumps({"ok": True, "token": "t7"}).encode())


@pytest.fixture
def site(raw_server: RawServerFactory) -> Site:
    return Site(raw_server, _page)


def _asked(site: Site) -> set[Asking]:
    """Each different request that came. Spaces in JSON are nobody's meaning."""
    found = set()
    for one in site.asked:
        kind = one.headers.get("content-type")
        body = json.dumps(json.loads(one.body)).encode() if kind == "application/json" else one.body
        found.add((one.method, one.target, body, kind))
    return found


def test_a_script_asks_what_its_file_asks(
    loadgen: Loadgen, converted: Converter, site: Site, tmp_path: Path
) -> None:
    script = converted("locustfile.py", SHOP)
    told = loadgen("run", str(tmp_path / "locustfile.py"), *f"-H {site.url} -u 3 -r 100 -t 2s".split())
    assert told.exit_code == 0, told
    asked_under_locust = _asked(site)
    site.asked.clear()
    load = ["--users", "1", "--iterations", "150", "--workers", "1"]
    result = loadgen("run", str(script), "--url", site.url, *load)
    assert result.exit_code == 0, result
    assert not [check for check in result.summary["checks"] if check["failed"]], result.summary["checks"]
    assert {target for _, target, *_ in _asked(site)} == {
        *("/search?q=tea&limit=10", "/search?q=mate&limit=10", "/seen/1", "/page/one", "/token", "/raw"),
        *("/old", "/new", "/pay", "/thanks", "/login", "/watch"),
    }
    assert _asked(site) == asked_under_locust
    counts = site.counts()
    assert (counts["POST /login"], counts["GET /seen/1"]) == (1, 1)
    assert counts["GET /old"] == 2 * counts["GET /new"]
    assert counts["POST /pay"] == counts["GET /old"]
    # Two thirds of the users watch.
    assert counts["GET /watch"] > counts["GET /page/one"]
    assert ("POST", "/raw", b'{"token": "t7"}', "application/json") in _asked(site)
    assert ("PUT", "/raw", b"<t7>", "text/xml") in _asked(site)
    assert ("POST", "/pay", b"amount=3", "application/x-www-form-urlencoded") in _asked(site)


def test_a_script_reads_as_a_person_would_have_written_it(converted: Converter) -> None:
    text = converted(
        "locustfile.py",
        """import time

from locust import FastHttpUser, LoadTestShape, constant_pacing, task


class Reader(FastHttpUser):
    host = "http://127.0.0.1:1"
    wait_time = constant_pacing(2)

    def on_start(self):
        self.page = 1

    @task
    def read(self):
        # The next page.
        with self.client.get(f"/pages/{self.page}", name="/pages", catch_response=True) as response:
            if response.status_code != 200:
                response.failure("no page")
        time.sleep(1)
        self.page += 1

    def on_stop(self):
        self.client.get("/bye")


class Steps(LoadTestShape):
    stages = [
        {"duration": 10, "users": 5, "spawn_rate": 5},
        {"duration": 20, "users": 1, "spawn_rate": 1},
    ]

    def tick(self):
        for stage in self.stages:
            if self.get_run_time() < stage["duration"]:
                return stage["users"], stage["spawn_rate"]
        return None
""",
    ).read_text(encoding="utf-8")
    assert (
        text
        == '''"""Users of locustfile.py, as they were under Locust."""

import time
from collections.abc import AsyncIterator

from loadgen import Plan, Stage, User, scenario, session


@session
async def on_start(user: User) -> AsyncIterator[None]:
    user.data["page"] = 1
    yield
    await user.get("/bye")


@scenario
async def read(user: User) -> None:
    begun_s = time.monotonic()
    # The next page.
    response = await user.get(f"/pages/{user.data['page']}", name="/pages")
    user.expect(response.status == 200, "no page")
    await user.pause(1)
    user.data["page"] += 1
    await user.pause(max(0.0, 2 - (time.monotonic() - begun_s)))


plan = Plan(
    base_url="http://127.0.0.1:1",
    follow_redirects=True,
    compression=True,
    stages=[
        Stage("1s", users=5),
        Stage("9s", users=5),
        Stage("4s", users=1),
        Stage("6s", users=1),
    ],
)
'''
    )


def test_headers_of_a_client_are_the_plans_where_they_are_plain(
    loadgen: Loadgen, converted: Converter, site: Site, tmp_path: Path
) -> None:
    users = """from locust import HttpUser, constant, task


class Caller(HttpUser):
    wait_time = constant(0.001)

    def on_start(self):
        self.client.headers["X-Client"] = CLIENT
        self.client.headers.update({"X-More": "7"})

    @task
    def call(self):
        self.client.get("/", headers={"X-Own": "1"})
"""
    for text, is_plain in (
        (users.replace("CLIENT", '"mine"'), True),
        (users.replace("CLIENT", 'self.client.get("/token").json()["token"]'), False),
    ):
        script = converted("locustfile.py", text)
        assert ("session" in script.read_text(encoding="utf-8")) is not is_plain
        asked = []
        for run in (
            [str(tmp_path / "locustfile.py"), *f"-H {site.url} -u 1 -t 1s".split()],
            [str(script), *f"--url {site.url} --users 1 --iterations 3 --workers 1".split()],
        ):
            site.asked.clear()
            result = loadgen("run", *run)
            assert result.exit_code == 0, result
            asked.append(
                {
                    (one.target, *(one.headers.get(name) for name in ("x-client", "x-more", "x-own")))
                    for one in site.asked
                }
            )
        assert asked[0] == asked[1]
        assert ("/", "mine" if is_plain else "t7", "7", "1") in asked[1]


def test_what_cannot_be_kept_is_said(loadgen: Loadgen, tmp_path: Path) -> None:
    file = tmp_path / "locustfile.py"
    file.write_text(
        """from locust import HttpUser, events, task

@events.request.add_listener
def heard(**kwargs):
    print(kwargs)

class Caller(HttpUser):
    fixed_count = 3

    @task
    def call(self):
        with self.client.get("/", catch_response=True, hooks={}) as response:
            response.success()
        self.environment.runner.quit()
"""
    )
    result = loadgen("convert", str(file))
    assert result.exit_code == 0, result
    for said in ("listener heard", "fixed_count of Caller", "success()", "hooks=", "line 14 was left out"):
        assert said in result.stderr
        assert said in result.stdout
    body = result.stdout.partition("async def")[2]
    assert "environment" not in body
    assert "locust" not in body


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import locust\n\nclass Nobody:\n    pass\n", "no user class with tasks"),
        ("from locust import task\ndef broken(:\n", "line 2"),
    ],
)
def test_a_file_without_users_is_refused(loadgen: Loadgen, tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "locustfile.py"
    file.write_text(text)
    result = loadgen("convert", str(file), "--from", "locust")
    assert (result.exit_code, result.stdout) == (2, "")
    assert said in result.stderr
    assert "Traceback" not in result.stderr


def test_each_task_has_the_share_that_it_has_under_locust(converted: Converter) -> None:
    text = converted(
        "locustfile.py",
        """from locust import HttpUser, SequentialTaskSet, TaskSet, task


class Flow(SequentialTaskSet):
    def on_start(self):
        self.steps = 0

    @task
    def step(self):
        self.client.get("/step")
        self.steps += 1

    @task
    def leave(self):
        self.interrupt()


class Some(HttpUser):
    @task
    class Inner(TaskSet):
        @task(10)
        def often(self):
            self.client.get("/often")

        @task(2)
        def leave(self):
            self.interrupt()

    @task(2)
    def seldom(self):
        self.client.get("/seldom")


class Others(HttpUser):
    weight = 3
    tasks = [Flow]
""",
    ).read_text(encoding="utf-8")
    # Five for each time that the inner set is entered, and seldom is twice as frequent as that is.
    assert "@scenario(weight=5)\nasync def often(" in text
    assert "@scenario(weight=2)\nasync def seldom(" in text
    assert "@scenario(weight=21)\nasync def flow(" in text
    assert "    on_start(user)\n    await step(user)\n" in text


def test_odd_layouts_and_words_come_out_even(converted: Converter, site: Site) -> None:
    script = converted(
        "locustfile.py",
        '''from locust import FastHttpUser, task


class Caller(FastHttpUser):
    token: str

    def on_start(self):
            self.text = """a
            b"""
            if self.text:
                self.token = "t"

    def on_stop(self):
          self.client.get("/bye")

    @task
    def call(self):
        with self.rest("", "/it", json={"token": self.token}) as answered:
            if answered.js["ok"] is not True:
                answered.failure("not ok")
''',
    )
    assert "a request without a method: GET was taken" in converted.notes
    assert [asked.target for asked in converted.asked_by(script, site)] == ["/it", "/bye"]
    assert json.loads(site.asked[0].body) == {"token": "t"}
    text = script.read_text(encoding="utf-8")
    assert '    user.data["text"] = """a\n            b"""\n    if user' in text
    assert '\n    yield\n    await user.get("/bye")\n' in text
    assert "token: str" not in text
