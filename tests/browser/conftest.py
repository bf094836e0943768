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

# Of each line that a browser draws: how many points it has, and how high it goes up and down, in pixels.
COUNT_POINTS = """
    window.drawn = [];
    const stroke = CanvasRenderingContext2D.prototype.stroke;
    const heights = new WeakMap();
    for (const name of ["lineTo", "moveTo"]) {
        const add = Path2D.prototype[name];
        Path2D.prototype[name] = function (x, y) {
            if (!heights.has(this)) heights.set(this, []);
            heights.get(this).push(y);
            return add.call(this, x, y);
        };
    }
    CanvasRenderingContext2D.prototype.stroke = function (...what) {
        const ys = heights.get(what[0]);
        if (ys) drawn.push([ys.length, Math.max(...ys) - Math.min(...ys)]);
        return stroke.apply(this, what);
    };
"""


class Open(Protocol):
    def __call__(
        self, url: str, *, width: int = 1280, dark: bool = False, record: str = "", mortal: bool = False
    ) -> Page: ...


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
    """Opens a page and waits until charts are drawn. `record` is run in it before anything else.

    With `mortal` its server may die, of which a browser complains; and its clock can be turned.
    """
    complaints: list[str] = []
    pages: list[Page] = []

    def open_page(
        url: str, *, width: int = 1280, dark: bool = False, record: str = "", mortal: bool = False
    ) -> Page:
        scheme: Any = "dark" if dark else "light"
        page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        pages.append(page)
        if record:
            page.add_init_script(record)
        here = urlsplit(url)

        def look(asked: str) -> None:
            parts = urlsplit(asked)
            if parts.scheme != "data" and (parts.netloc, parts.scheme.replace("ws", "http")) != here[1::-1]:
                complaints.append(f"asked for {asked}")

        page.on("request", lambda request: look(request.url))
        page.on("websocket", lambda socket: look(socket.url))
        if mortal:
            page.clock.install()
        else:
            page.on("console", lambda message: complaints.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(url)
        page.wait_for_selector("#charts canvas", timeout=20_000)
        return page

    yield open_page
    for page in pages:
        page.close()
    assert complaints == []
