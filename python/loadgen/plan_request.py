"""What a plan says of requests: the one of a blast, or what all of a script share, and where they go."""

from __future__ import annotations

import os
import re
from pathlib import Path
from stat import S_ISREG
from typing import TYPE_CHECKING

import msgspec

from loadgen.checking import Checker
from loadgen.discreet import without_userinfo
from loadgen.engine_plan import AuthPlan, Mix, Request
from loadgen.mix import is_mix, make_mix, requests_of
from loadgen.plan_fields import pairs
from loadgen.sockets import HOME, Crowd, compile_sockets, parse_socket_url
from loadgen.targets import WantedRequest
from loadgen.templates import parse_url_template
from loadgen.units import quoted
from loadgen.url import Url, parse_url
from loadgen.wire import Wire
from loadgen.wiring import read_wire

if TYPE_CHECKING:
    from loadgen.plan import Plan

ENCODINGS = "gzip, deflate, br, zstd"
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
# Those of blast that need one request, the same every time.
_OF_ONE = ("body_file", "expect_continue")


def read_headers(plan: Plan, check: Checker) -> list[tuple[str, str]]:
    headers = []
    for index, (name, value) in enumerate(pairs(plan.headers)):
        if not _TOKEN.fullmatch(name):
            check.wrong(f"headers[{index}]", f"expected a header name, got {quoted(name)}")
        elif re.search(r"[\x00-\x08\x0a-\x1f\x7f]", value):
            check.wrong(f"headers[{index}]", f"the value of {name} has control characters")
        else:
            headers.append((name, value.strip()))
    return headers


def read_url(plan: Plan, check: Checker) -> Url | None:
    """Of the one request, or of the base."""
    field, where = ("url", plan.url) if plan.script is None else ("base_url", plan.base_url)
    if plan.needs_embedded_target:
        where = f"http://localhost{where or ('/' if plan.sockets is None else HOME)}"
    if plan.script is None and plan.sockets is not None:
        return check(field, parse_socket_url, where)
    if plan.script is None and plan.targets is None:
        return check(field, parse_url_template, where)
    if plan.targets is not None and where is None:
        where = "http://localhost/"  # where no path stands in the file
    return check(field, parse_base, where)


def parse_base(text: str) -> Url:
    url = parse_url(f"http://localhost{text}" if text.startswith("/") else text)
    if "?" in url.target:
        raise ValueError(f"expected a base for paths, without a query, got {quoted(without_userinfo(text))}")
    return url


def text_of_base(url: Url) -> str:
    """Without a slash at its end, because the paths bring one."""
    return url.text.rstrip("/")


def read_request(
    plan: Plan, url: Url | None, headers: list[tuple[str, str]], auth: AuthPlan | None, check: Checker
) -> Request | None:
    """The one request; of a script, what all requests have in common."""
    has_body = plan.body is not None or plan.body_file is not None
    method = plan.method or ("POST" if has_body else "GET")
    if not _TOKEN.fullmatch(method):
        check.wrong("method", f'expected a method such as "POST", got {quoted(method)}')
    if url is None:
        return None
    # A script sends it to the base alone.
    if plan.script is None and auth is not None:
        headers = _saying(auth, headers, check if plan.auth is not None else None)
    body = plan.body.encode(errors="surrogateescape") if isinstance(plan.body, str) else plan.body
    if body is not None and plan.body_file is not None:
        check.wrong("body_file", f"cannot be used with {check.named('body')}")
    if plan.expect_continue and not has_body:
        check.wrong("expect_continue", "there is no body to ask about: give --body or --body-file")
    return Request(
        method=method,
        url=url.text,
        headers=_offering(plan, headers),
        body=body,
        body_file=check.optional("body_file", _readable, plan.body_file),
        expect_continue=plan.expect_continue,
    )


def _saying(auth: AuthPlan, headers: list[tuple[str, str]], check: Checker | None) -> list[tuple[str, str]]:
    """The headers of a blast with the one that says who it is from. What a URL says gives way to a header."""
    from loadgen.auth import authorization_of

    if any(name.lower() == "authorization" for name, _ in headers):
        if check is not None:
            check.wrong("auth", "cannot be used with a header Authorization")
        return headers
    said = authorization_of(auth)
    return headers if said is None else [*headers, ("Authorization", said)]


def _readable(name: str) -> str:
    """A file that can be read now, by its absolute name."""
    path = Path(name).expanduser().absolute()
    try:
        with path.open("rb") as file:
            regular = S_ISREG(os.fstat(file.fileno()).st_mode)
    except OSError as error:
        raise ValueError(f"{name} cannot be read: {error.strerror or error}") from None
    if not regular:
        raise ValueError(f"{name} is no regular file")
    return str(path)


def _offering(plan: Plan, headers: list[tuple[str, str]]) -> list[tuple[str, str]]:
    if not plan.compression or any(name.lower() == "accept-encoding" for name, _ in headers):
        return headers
    return [*headers, ("Accept-Encoding", ENCODINGS)]


def read_auth(plan: Plan, url: Url | None) -> AuthPlan | None:
    if plan.auth is None:
        if url is None or url.userinfo is None:
            return None
        user, _, password = url.userinfo.partition(":")
        return AuthPlan("basic", user, password)
    from loadgen.auth import compile_auth

    return compile_auth(plan.auth)


def read_mix(
    plan: Plan, wanted: list[WantedRequest], request: Request, url: Url, check: Checker
) -> Mix | None:
    """What is sent, where it is more than one request or has values in it."""
    # The engine's reader says what is wrong with a seed; what is drawn is nothing then.
    seed = int(str(plan.seed)) if str(plan.seed).isdecimal() else 0
    if plan.targets is None:
        if plan.data is None and not is_mix(request):
            return None
        for field in _OF_ONE:
            if getattr(plan, field):
                check.wrong(field, "is for one request, the same every time: without --data and {{name}}")
        return make_mix([("url", request)], [None], plan.data, seed, check)
    for field in ("method", "body", *_OF_ONE):
        if plan.origin(field) != "default":
            check.wrong(field, f"cannot be used with {check.named('targets')}: the file says what is sent")
    paths = any(one.url.startswith("/") for one in wanted)
    if plan.url is not None and not paths:
        check.wrong("url", f"no path in {plan.targets} goes there: each request has a host of its own")
    requests = requests_of(wanted, text_of_base(url), request.headers, check)
    if check.mistakes:
        return None
    return make_mix(requests, [one.weight for one in wanted], plan.data, seed, check)


def wire_of(plan: Plan, url: Url | None, check: Checker, *, scripted: bool) -> Wire:
    wire = read_wire(plan, url, check, scripted=scripted)
    # Sockets begin as HTTP/1.1; over TLS a server would choose HTTP/2 if it were offered.
    secure = plan.sockets is not None and url is not None and url.scheme == "https"
    return msgspec.structs.replace(wire, http="1") if secure else wire


def read_sockets(plan: Plan, url: Url | None, request: Request | None, check: Checker) -> Crowd | None:
    if plan.sockets is None or plan.script is not None or url is None or request is None:
        return None
    seed = int(str(plan.seed)) if str(plan.seed).isdecimal() else 0
    return compile_sockets(plan.sockets, url, request.headers, plan.data, seed, check)
