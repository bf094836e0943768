"""One GET by Locust's HttpUser, which looks at the status by itself."""

import locust_cost  # noqa: F401 - listens
from locust import HttpUser, task


class Visitor(HttpUser):
    @task
    def visit(self) -> None:
        self.client.get("/")
