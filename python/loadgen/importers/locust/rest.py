"""`rest` and `rest_` of HTTP users: requests that send and expect JSON, judged in their with-block."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from loadgen.importers.locust.response import Response

SHOWN = 250  # of a body that is not JSON


class Rest:
    """Mixed into users that have a client."""

    client: Any

    @contextmanager
    def rest(
        self, method: str, url: str, headers: Mapping[str, str] | None = None, **options: Any
    ) -> Iterator[Response]:
        """A request whose response has its JSON as `js`. What is raised in its block is its failure."""
        both = {"Content-Type": "application/json", "Accept": "application/json", **(headers or {})}
        with self.client.request(method, url, catch_response=True, headers=both, **options) as response:
            response.js = None
            if response.content is None:
                response.failure(str(response.error))
            elif response.content:
                try:
                    response.js = response.json()
                except ValueError as error:
                    text = (response.text or "")[:SHOWN]
                    response.failure(
                        f"Could not parse response as JSON. {text}, {response.status_code}, {error}"
                    )
            try:
                yield response
            except AssertionError as error:
                response.failure(str(error) or "Assertion failed")
            except Exception as error:  # noqa: BLE001 - whatever it is, it is this request's failure
                response.failure(f"{type(error).__name__}: {error}")

    @contextmanager
    def rest_(self, method: str, url: str, name: str | None = None, **options: Any) -> Iterator[Response]:
        """The same, past every cache: with the time in its query, and without it in its name."""
        mark = "&" if "?" in url else "?"
        whole = f"{url}{mark}_={int(time.time() * 1000)}"
        with self.rest(method, whole, name=name or f"{url}{mark}_=...", **options) as response:
            yield response
