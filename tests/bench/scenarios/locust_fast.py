"""One GET by Locust's FastHttpUser, which looks at the status by itself."""

import locust_cost  # noqa: F401 - listens
from locust import FastHttpUser, task


class Visitor(FastHttpUser):
    @task
    def visit(self) -> None:
        self.client.get("/")
