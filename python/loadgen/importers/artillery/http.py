"""The HTTP engine: a step is one request, with its redirects, hooks, captures and expectations."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from loadgen.importers.artillery.answer import Answer
from loadgen.importers.artillery.apdex import compile_apdex
from loadgen.importers.artillery.captures import FAILED, compile_captures
from loadgen.importers.artillery.codes import node_code
from loadgen.importers.artillery.conditions import compile_conditions
from loadgen.importers.artillery.expectations import compile_expectations
from loadgen.importers.artillery.flow import Around, Engine, Params, Step, nothing
from loadgen.importers.artillery.labels import endpoint_label
from loadgen.importers.artillery.requests import Request
from loadgen.importers.artillery.virtual_user import VirtualUser, VuFailed

if TYPE_CHECKING:
    from loadgen.importers.artillery.flow import Compiler

METHODS = ("get", "post", "put", "patch", "delete", "head", "options")
_KNOWN = frozenset(
    {
        *(
            "url",
            "uri",
            "name",
            "headers",
            "cookie",
            "qs",
            "json",
            "body",
            "form",
            "formData",
            "auth",
            "timeout",
        ),
        *("setContentLengthHeader", "followRedirect", "gzip", "ifTrue", "probability", "beforeRequest"),
        *("afterResponse", "capture", "match", "expect", "http2"),
    }
)
# Keys of a step beside its method that other engines give a meaning.
_BESIDE = frozenset({*METHODS, "name", "namespace"})

_After = Callable[[VirtualUser, Params, Answer], Awaitable[None]]


def _request_step(compiler: Compiler, spec: Mapping[str, Any], place: str, around: Around) -> Step:
    word = next(iter(spec))
    if word.lower() not in METHODS:
        word = next(word for word in spec if word.lower() in METHODS)
    params = spec[word]
    place = f"{place}.{word}"
    for key in spec:
        if key not in _BESIDE and key != word:
            compiler.note(
                f"{place.rpartition('.')[0]}.{key} stands beside {word}, not in it, and is without effect"
            )
    if not isinstance(params, Mapping):
        compiler.wrong(place, f'expected a request such as {{url: "/"}}, got {params!r}')
        return nothing
    url = params.get("url") or params.get("uri")
    if not isinstance(url, str):
        compiler.wrong(f"{place}.url", "is missing" if url is None else f"expected a text, got {url!r}")
        return nothing
    for key in params:
        if key not in _KNOWN:
            compiler.note(f"{place}.{key} is not known, and without effect")
    if params.get("http2"):
        compiler.note(f"{place}.http2 is without effect: requests go by HTTP/1.1")
    return _compile(compiler, word.upper(), params, place, around)


def _compile(compiler: Compiler, method: str, params: Mapping[str, Any], place: str, around: Around) -> Step:
    label = endpoint_label(method, params, compiler.config)
    request = Request(method, params, label, place, compiler)
    may_run = compile_conditions(params, place, compiler)
    take = compile_captures(params, place, compiler)
    expect = compile_expectations(params, label, place, compiler)
    before = _hooks(
        compiler, (*around.before_request, *_names(params, "beforeRequest")), "before_request", place
    )
    after_scenario = _hooks(compiler, around.after_response, "after_response", place)
    after_step = _hooks(compiler, _names(params, "afterResponse"), "after_response", place)
    on_error = _hooks(compiler, around.on_error, "on_error", place)
    name = str(params.get("name") or "")
    rate = compile_apdex(compiler.config)
    looks = bool(take or expect or after_scenario or after_step or rate)
    is_beside = around.is_parallel and not request.is_pooled

    async def send(vu: VirtualUser) -> None:
        """The plain way, without hooks."""
        response = await request.send(vu)
        if response.error is not None:
            raise _failed(response.error)
        if looks:
            await look(vu, {}, Answer(response))

    async def send_with_hooks(vu: VirtualUser) -> None:
        """What hooks have a say in, or want to see."""
        asked = request.params()
        for hook in before:
            await hook(vu, asked)
        response = await request.send_as(vu, asked)
        if response.error is not None:
            error = _failed(response.error)
            for hook in on_error:
                await hook(vu, error, asked)
            raise error
        if looks:
            await look(vu, asked, Answer(response))

    async def look(vu: VirtualUser, asked: Params, answer: Answer) -> None:
        taken = take is None or take(answer, vu)
        for hook in after_scenario:
            await hook(vu, asked, answer)
        if expect is not None:
            expect(answer, vu, name)
        if rate is not None:
            rate(answer, vu)
        for hook in after_step:
            await hook(vu, asked, answer)
        if not taken:
            raise VuFailed(FAILED)

    has_hooks = before or after_scenario or after_step or on_error
    step: Step = send_with_hooks if has_hooks else send
    if is_beside:
        step = _one_at_a_time(step)
    if may_run is None:
        return step

    async def maybe(vu: VirtualUser) -> None:
        if may_run(vu):
            await step(vu)

    return maybe


def _failed(kind: str) -> VuFailed:
    """Of a request that was not answered: it fails as what it is, under Node's code."""
    error = VuFailed(kind, node_code(kind))
    error.kind = kind
    return error


def _one_at_a_time(step: Step) -> Step:
    """A virtual user has one connection, so what is beside each other waits for it."""

    async def wait_and_send(vu: VirtualUser) -> None:
        assert vu.lock is not None  # by the step around it
        async with vu.lock:
            await step(vu)

    return wait_and_send


def _names(params: Mapping[str, Any], key: str) -> tuple[str, ...]:
    found = params.get(key)
    return () if found is None else tuple(str(one) for one in (found if isinstance(found, list) else [found]))


def _hooks(compiler: Compiler, names: tuple[str, ...], kind: str, place: str) -> list[Any]:
    found = []
    for name in names:
        if compiler.processor is not None and compiler.processor.has(name):
            found.append(getattr(compiler.processor, kind)(name))
        else:
            compiler.note(f"{place}: there is no function {name} in the processor, so it is not called")
    return found


ENGINE = Engine(steps=dict.fromkeys(METHODS, _request_step))
