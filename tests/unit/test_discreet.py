"""What holds a secret shows none, however it is printed."""

from __future__ import annotations

import io
import traceback
from collections.abc import Callable
from typing import Any

import pytest
from rich.console import Console
from rich.pretty import pprint

from loadgen import Bearer, DigestAuth, Plan, PlanError, Sockets
from loadgen.discreet import without_secrets_in
from loadgen.loads import ScenarioWish
from loadgen.url import parse_url

SECRET = "hush-7"  # noqa: S105 - it opens nothing


def script(**fields: Any) -> Plan:
    wish = [ScenarioWish(name="visit", load=None)]
    return Plan(script="/x/shop.py", scenarios=wish, rate=5, **fields)


MAKERS: dict[str, Callable[[], object]] = {
    "a user's plan": lambda: Plan(auth=("me", SECRET)),
    "a list": lambda: Plan(auth=["me", SECRET]),  # type: ignore[arg-type]
    "nested": lambda: {"plans": [Plan(auth=("me", SECRET))]},
    "a token": lambda: Plan(auth=Bearer(SECRET)),
    "a digest": lambda: Plan(auth=DigestAuth("me", SECRET)),
    "a URL": lambda: Plan(url=f"http://me:{SECRET}@host/"),
    "a URL without a scheme": lambda: Plan(url=f"me:{SECRET}@host/"),
    "a base": lambda: Plan(base_url=f"http://me:{SECRET}@host/"),
    "a proxy": lambda: Plan(url="http://host/", proxy=f"http://me:{SECRET}@host:1"),
    "a proxy without a scheme": lambda: Plan(url="http://host/", proxy=f"me:{SECRET}@host:1"),
    "headers": lambda: Plan(headers={"Authorization": SECRET, "X-Ok": "shown"}),
    "pairs": lambda: Plan(headers=[("X-Api-Key", SECRET)]),
    "arguments": lambda: Plan(arguments={"password": SECRET}),
    "the engine's plan of a blast": Plan(url=f"http://me:{SECRET}@host/", proxy=f"me:{SECRET}@h:1").compile,
    "of a script": script(
        base_url="http://host/", auth=("me", SECRET), headers={"Cookie": SECRET}, arguments={"token": SECRET}
    ).compile,
    "of a token": script(auth=Bearer(SECRET)).compile,
    "of many requests": Plan(url="http://host/{{uuid}}", headers={"X-Auth": SECRET}).compile,
    "the parts of a URL": lambda: parse_url(f"http://me:{SECRET}@host/"),
    "a Bearer": lambda: Bearer(SECRET),
    "a DigestAuth": lambda: DigestAuth("me", SECRET),
}


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS.keys())
def test_a_secret_is_not_printed(make: Callable[[], object]) -> None:
    made = make()
    screen = io.StringIO()
    pprint(made, console=Console(file=screen, width=200))
    for text in (repr(made), str(made), f"{made}", screen.getvalue()):
        assert SECRET not in text
        assert "host" in text or "redacted" in text, "the rest is shown"


def test_what_a_plan_says_is_shown_and_what_is_usual_is_not() -> None:
    plan = Plan(rate="50/s", headers={"Accept": "text/html", "Cookie": SECRET}, auth=("me", SECRET))
    assert repr(plan) == (
        "Plan(auth='(redacted)', headers=[('Accept', 'text/html'), ('Cookie', '(redacted)')], rate='50/s')"
    )


@pytest.mark.parametrize(
    "fields",
    [
        {"auth": (1, SECRET)},
        {"auth": (SECRET, SECRET, SECRET)},
        {"auth": SECRET},
        {"url": f"http://me:{SECRET}@host:99999/"},
        {"url": f"ftp://me:{SECRET}@host/"},
        {"base_url": f"http://me:{SECRET}@host/?q"},
        {"base_url": f"me:{SECRET}@host/?q"},
        {"url": "http://host/", "proxy": f"ftp://me:{SECRET}@host"},
        {"url": "http://host/", "proxy": f"me:{SECRET}@host:99999"},
    ],
    ids=str,
)
def test_a_mistake_beside_a_secret_does_not_tell_it(fields: dict[str, Any]) -> None:
    with pytest.raises(PlanError) as caught:
        Plan(rate=5, **fields).compile() if "auth" not in fields else script(**fields).compile()
    assert SECRET not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("http://h/a?token=hush&b=2#c", "http://h/a?token=(redacted)&b=2#c"),
        ("ws://h/?b=2&access_token=hush", "ws://h/?b=2&access_token=(redacted)"),
        ("password=hush&user=me", "password=(redacted)&user=me"),
        ('{"op": "auth", "token": "hu\\"sh", "b": [1]}', '{"op": "auth", "token": "(redacted)", "b": [1]}'),
        ('[{"a": {"apiKey":"hush"}}]', '[{"a": {"apiKey":"(redacted)"}}]'),
        ('{"max_tokens": 100, "text": "x=y&token"}', '{"max_tokens": 100, "text": "x=y&token"}'),
        ('{"next": "/a?token=hush", "b": 1}', '{"next": "/a?token=(redacted)", "b": 1}'),
        ("no secret, token = 5", "no secret, token = 5"),
    ],
)
def test_secrets_within_a_text_are_known_by_their_names(text: str, expected: str) -> None:
    assert without_secrets_in(text) == expected


def test_the_stored_plan_has_no_secret_of_a_query_a_body_or_a_message() -> None:
    secret = '{"token": "' + SECRET + '"}'
    url = f"127.0.0.1:1/?api_key={SECRET}"
    for plan in (
        Plan(url=f"http://{url}", method="POST", body=secret, rate=5),
        Plan(url=f"ws://{url}", sockets=Sockets(subscribe=[secret], send=[secret], unsubscribe=[secret])),
    ):
        compiled = plan.compile()
        stored = compiled.redacted()
        assert SECRET.encode() in compiled.encode()
        assert SECRET.encode() not in stored.encode()
        assert stored.request is None or SECRET.encode() not in (stored.request.body or b"")
