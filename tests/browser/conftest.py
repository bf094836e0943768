"""A real browser, headless: it draws, and whatever it complains of or asks others for fails the test."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

import pytest

from loadgen.report.page import BUNDLE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page


class Open(Protocol):
    def __call__(self, url: str, *, width: int = 1280, dark: bool = False) -> Page: ...


@pytest.fixture(scope="session")
def _built() -> None:
    if not BUNDLE.exists():
        message = "the page is not built: make build, with Node"
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)


# Not for the session: while it is there, its loop is in the way of tests that run one of their own.
@pytest.fixture(scope="module")
def browser(_built: None, counterpart: Callable[[str], Path]) -> Iterator[Browser]:
    """Debian's own Chromium."""
    from playwright.sync_api import sync_playwright

    executable = counterpart("chromium")
    with sync_playwright() as playwright:
        # Containers have neither its sandbox nor much shared memory.
        arguments = ["--no-sandbox", "--disable-dev-shm-usage"]
        browser = playwright.chromium.launch(executable_path=executable, args=arguments)
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Open]:
    """Opens a page and waits until charts are drawn."""
    complaints: list[str] = []
    pages: list[Page] = []

    def open_page(url: str, *, width: int = 1280, dark: bool = False) -> Page:
        scheme: Any = "dark" if dark else "light"
        page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        pages.append(page)
        here = urlsplit(url)

        def look(asked: str) -> None:
            parts = urlsplit(asked)
            if parts.scheme != "data" and (parts.netloc, parts.scheme.replace("ws", "http")) != here[1::-1]:
                complaints.append(f"asked for {asked}")

        page.on("request", lambda request: look(request.url))
        page.on("websocket", lambda socket: look(socket.url))
        page.on("console", lambda message: complaints.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(url)
        page.wait_for_selector("#charts canvas", timeout=20_000)
        return page

    yield open_page
    for page in pages:
        page.close()
    assert complaints == []
