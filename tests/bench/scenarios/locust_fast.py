"""One GET by Locust's FastHttpUser, which looks at the status by itself."""

from locust import FastHttpUser, task


class Visitor(FastHttpUser):
    @task
    def visit(self) -> None:
        self.client.get("/")
