"""Sockets to nchan, a bus within nginx: what is published, over HTTP or sockets, all hear, and both count."""

from __future__ import annotations

import re
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.books import balanced, balanced_sockets
from tests.support.processes import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import NginxFactory
    from tests.support.command import Loadgen
    from tests.support.nginx import Nginx

MODULE = "/usr/lib/nginx/modules/ngx_nchan_module.so"
LOCATIONS = """
    nchan_channel_id $arg_channel;
    nchan_message_buffer_length 1000;
    nchan_subscriber_first_message newest;
    location = /publish { nchan_publisher http; DEFLATE }
    location = /subscribe { nchan_subscriber websocket; }
    location = /say { nchan_publisher websocket; DEFLATE }
    location = /counts { nchan_stub_status; }
"""
COUNT = 20
HOLD = (
    *("-n", str(COUNT), "--connect-rate", "500/s", "-d", "1m", "--workers", "2"),
    *("--ping", "100ms", "--stamp", "at", "--sequence", "n"),
)
EVENT = '{"at": {{due_ns}}, "n": {{k}}, "text": "0123456789012345678901234567890123456789"}'


@pytest.fixture
def nchan(nginx: NginxFactory, counterpart: Callable[[str], Path]) -> Callable[[bool], Nginx]:
    module = counterpart(MODULE)

    def start(deflate: bool) -> Nginx:
        said = "nchan_deflate_message_for_websocket on;" if deflate else ""
        return nginx(locations=LOCATIONS.replace("DEFLATE", said), module=module)

    return start


def counts(server: Nginx) -> dict[str, int]:
    """What nchan has counted."""
    with urllib.request.urlopen(f"{server.url}/counts", timeout=20) as answer:  # noqa: S310
        told = answer.read().decode()
    return {name: int(number) for name, number in re.findall(r"^([a-z ]+): (\d+)", told, re.MULTILINE)}


def publish_by_requests(loadgen: Loadgen, server: Nginx) -> int:
    load = ("-X", "POST", "--body", EVENT, "--tps", "100", "-d", "500ms")
    published: int = balanced(loadgen("blast", f"{server.url}/publish?channel=news", *load))["requests"]["ok"]
    return published


def publish_by_sockets(loadgen: Loadgen, server: Nginx) -> int:
    load = ("-n", "3", "-d", "500ms", "--send", EVENT, "--send-rate", "100/s", "--expect", "any")
    result = loadgen("ws", f"{server.url}/say?channel=news", *load)
    messages = balanced_sockets(result)["sockets"]["messages"]
    assert messages["sent"] == messages["received"], "each is confirmed"
    published: int = messages["sent"]
    return published


@pytest.mark.parametrize("deflate", [False, True], ids=["plain", "compressed"])
@pytest.mark.parametrize("publish", [publish_by_requests, publish_by_sockets])
def test_what_is_published_all_sockets_hear(
    loadgen: Loadgen,
    nchan: Callable[[bool], Nginx],
    publish: Callable[[Loadgen, Nginx], int],
    deflate: bool,
) -> None:
    server = nchan(deflate)
    url = f"{server.url}/subscribe?channel=news"
    held = loadgen.start("ws", url, *HOLD, *("--deflate" for _ in range(deflate)))
    wait_until(lambda: counts(server)["subscribers"] == COUNT)
    assert publish(loadgen, server) == counts(server)["total published messages"] == 50
    held.interrupt()
    result = held.wait()
    sockets = balanced_sockets(result)["sockets"]
    assert (sockets["connections"]["opened"], counts(server)["subscribers"]) == (COUNT, 0), result
    assert (sockets["connections"]["lost"], sockets["connections"]["closes"]) == (0, {"1000": COUNT}), result
    delivery = sockets["delivery"]
    assert sockets["messages"]["received"] == delivery["latency"]["count"] == 50 * COUNT, result
    assert delivery["receivers"] == {"min": COUNT, "max": COUNT}, result
    assert (delivery["groups"], delivery["missing"], delivery["repeated"]) == (50, 0, 0), result
    assert sockets["ping"]["count"] > COUNT, result
