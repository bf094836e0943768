"""Fixtures of the system tests: scripts, proxies, the interface to the kernel that a run uses."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, cast

import pytest

from tests.support.artillery import Artillery
from tests.support.command import LOADGEN
from tests.support.converter import Converter
from tests.support.locustfiles import Locustfiles
from tests.support.proxies import Microsocks, Tinyproxy
from tests.support.scripts import Scripts
from tests.support.site import Site, answer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.conftest import RawServerFactory
    from tests.support.command import Loadgen


@pytest.fixture
def scripts(loadgen: Loadgen, tmp_path: Path) -> Scripts:
    return Scripts(loadgen, tmp_path)


@pytest.fixture
def artillery(loadgen: Loadgen, tmp_path: Path) -> Artillery:
    return Artillery(loadgen, tmp_path / "artillery")


@pytest.fixture
def converted(loadgen: Loadgen, tmp_path: Path) -> Converter:
    return Converter(loadgen, tmp_path)


@pytest.fixture
def site(raw_server: RawServerFactory) -> Site:
    """It likes whatever is asked."""
    return Site(raw_server, lambda asked: answer(201 if asked.method == "POST" else 200))


@pytest.fixture
def socks(counterpart: Callable[[str], Path], tmp_path: Path) -> Iterator[Microsocks]:
    with Microsocks(counterpart("microsocks"), tmp_path / "microsocks") as proxy:
        yield proxy


@pytest.fixture
def http_proxy(counterpart: Callable[[str], Path], tmp_path: Path) -> Iterator[Tinyproxy]:
    with Tinyproxy(counterpart("tinyproxy"), tmp_path / "tinyproxy") as proxy:
        yield proxy


@pytest.fixture(scope="session")
def uring_refusal(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Why io_uring cannot be used on this machine; empty where it can, or where something else is wrong."""
    folder = tmp_path_factory.mktemp("uring") / "run"
    probe = subprocess.run(
        [LOADGEN, "blast", "--reactor", "uring", "--users", "1", "--duration", "10ms", "--out", folder],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    return next((line for line in probe.stderr.splitlines() if "io_uring is not available" in line), "")


@pytest.fixture(params=["epoll", "uring"])
def reactor(request: pytest.FixtureRequest) -> str:
    """Each of the engine's two interfaces to the kernel; a visible skip where the system forbids one."""
    name = cast("str", request.param)
    if name == "uring" and (refusal := request.getfixturevalue("uring_refusal")):
        pytest.skip(refusal)
    return name


@pytest.fixture
def locustfiles(loadgen: Loadgen, tmp_path: Path) -> Locustfiles:
    return Locustfiles(loadgen, tmp_path)
