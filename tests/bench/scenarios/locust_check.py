"""One GET by a HttpUser, and a look at its status: run by Locust, and as it is by loadgen."""

from locust import HttpUser, task


class Visitor(HttpUser):
    @task
    def visit(self) -> None:
        with self.client.get("/", catch_response=True) as response:
            if response.status_code != 200:
                response.failure(f"status {response.status_code}")
