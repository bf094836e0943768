"""The plugin `expect`: what is expected of responses, each a named check; and the exit code of it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import urlsplit

from loadgen.importers.artillery.patterns import compile_pattern
from loadgen.importers.artillery.values import follow, is_true, number_of, parse_path, string_of, text_of
from loadgen.importers.artillery.virtual_user import UNDEFINED, VirtualUser, VuFailed

if TYPE_CHECKING:
    from loadgen.importers.artillery.answer import Answer
    from loadgen.importers.artillery.flow import Compiler

# Whether a response is as expected, and what it is instead.
Check: TypeAlias = "Callable[[Answer, VirtualUser], bool]"
Maker: TypeAlias = "Callable[[Any, Compiler], Check]"
Expectations: TypeAlias = "Callable[[Answer, VirtualUser, str], None]"

EXIT_CODE = 21
_CACHES = ("cf-cache-status", "x-cache", "x-vercel-cache")
# Checks are named "statusCode: GET /items", so that what is expected can be told from where.
SEPARATOR = ": "


def compile_expectations(
    spec: Mapping[str, Any], label: str, place: str, compiler: Compiler
) -> Expectations | None:
    """Of a step; None where nothing is expected, or the plugin is not asked for."""
    plugins = compiler.config.get("plugins") or {}
    if "expect" not in plugins:
        if spec.get("expect") is not None:
            compiler.note(f"{place}.expect: config.plugins has no expect, so nothing is expected")
        return None
    settings = plugins["expect"] or {}
    found = spec.get("expect")
    pairs = _pairs(found, f"{place}.expect", compiler)
    if not pairs:
        if str(settings.get("expectDefault200")).lower() != "true":
            return None
        pairs = [("statusCode", 200, f"{place}.expect")]
    checks = []
    for kind, value, at in pairs:
        maker = _MAKERS.get(kind)
        if maker is None:
            compiler.note(
                f"{at}: {kind} is no expectation, and not looked at; there are {', '.join(_MAKERS)}"
            )
            continue
        checks.append((f"{_name(kind, value)}{SEPARATOR}{label}", maker(value, compiler)))
    formatter = settings.get("formatter") or settings.get("outputFormat") or "pretty"
    if formatter == "json":
        compiler.note("config.plugins.expect: no lines of JSON are written; the checks are in the results")
    shows = formatter in ("pretty", "prettyError")
    ends = bool(settings.get("reportFailuresAsErrors"))
    only_names = str(settings.get("useOnlyRequestNames")).lower() == "true"

    def expect(answer: Answer, vu: VirtualUser, name: str) -> None:
        is_all_well = True
        for check_name, check in checks:
            try:
                ok = bool(check(answer, vu))
            except ValueError:
                ok = False
            if not vu.user.expect(ok, check_name):
                is_all_well = False
        if is_all_well:
            return
        if shows:
            _show_once(label, checks, answer, vu)
        if ends:
            told = name if only_names and name else answer.response.url
            raise VuFailed(f"Failed expectations for request {told}")

    return expect


def _name(kind: str, value: Any) -> str:
    """As which it is counted."""
    is_named = kind == "headerEquals" and isinstance(value, list) and value
    return f"header {text_of(value[0])} values equals" if is_named else kind


_shown: set[str] = set()


def _show_once(label: str, checks: list[tuple[str, Check]], answer: Answer, vu: VirtualUser) -> None:
    """The first failure of each request is shown whole; its checks count the others."""
    if label in _shown:
        return
    _shown.add(label)
    failed = []
    for name, check in checks:
        try:
            ok = check(answer, vu)
        except ValueError:
            ok = False
        if not ok:
            failed.append(name.partition(SEPARATOR)[0])
    path = urlsplit(answer.response.url).path
    response, kind = answer.response, answer.headers.get("content-type", "no type")
    sys.stderr.write(
        f"expect: {label}: not as expected: {', '.join(failed)} ({response.method} {path}: {answer.status}, "
        f"{kind}, {answer.body[:200]!r})\n"
    )


def _pairs(found: Any, place: str, compiler: Compiler) -> list[tuple[str, Any, str]]:
    """(kind, value, place); of an entry of a list its first key counts."""
    if found is None:
        return []
    if isinstance(found, Mapping):
        return [(kind, value, f"{place}.{kind}") for kind, value in found.items()]
    if not isinstance(found, list):
        compiler.wrong(place, f"expected expectations such as statusCode: 200, got {found!r}")
        return []
    pairs = []
    for index, one in enumerate(found):
        if isinstance(one, Mapping) and one:
            kind = next(iter(one))
            # Which of two names it is asked by, JMESPath may say after its description.
            kind = next((name for name in ("jmespath", "jpath") if name in one), kind)
            pairs.append((kind, one[kind], f"{place}[{index}].{kind}"))
        else:
            compiler.wrong(
                f"{place}[{index}]", f"expected an expectation such as statusCode: 200, got {one!r}"
            )
    return pairs


def _rendered(value: Any, compiler: Compiler) -> Callable[[VirtualUser], Any]:
    render = compiler.render(value)
    return render if callable(render) else lambda _vu: render


def _status_code(value: Any, compiler: Compiler) -> Check:
    return _status(value, compiler, wanted=True)


def _not_status_code(value: Any, compiler: Compiler) -> Check:
    return _status(value, compiler, wanted=False)


def _status(value: Any, compiler: Compiler, *, wanted: bool) -> Check:
    render = compiler.render(value)
    if callable(render):
        return lambda answer, vu: (answer.status in _numbers(render(vu))) is wanted
    numbers = _numbers(render)
    return lambda answer, _vu: (answer.status in numbers) is wanted


def _numbers(value: Any) -> set[float]:
    return {number_of(one) for one in value} if isinstance(value, list) else {number_of(value)}


def _content_type(value: Any, compiler: Compiler) -> Check:
    render = _rendered(value, compiler)

    def check(answer: Answer, vu: VirtualUser) -> bool:
        wanted = text_of(render(vu))
        if wanted == "json":
            return answer.says_json and isinstance(answer.json, (dict, list))
        return answer.headers.get("content-type", "").lower() == wanted.lower() != ""

    return check


def _parsed(answer: Answer) -> Any:
    """The body as the plugin sees it: parsed where its type is JSON, else text."""
    return answer.json if answer.says_json else answer.body


def _has_property(value: Any, compiler: Compiler) -> Check:
    return _property(value, compiler, wanted=True)


def _not_has_property(value: Any, compiler: Compiler) -> Check:
    return _property(value, compiler, wanted=False)


def _property(value: Any, compiler: Compiler, *, wanted: bool) -> Check:
    render = _rendered(value, compiler)

    def check(answer: Answer, vu: VirtualUser) -> bool:
        body = _parsed(answer)
        if not isinstance(body, (dict, list)):
            return False
        path = text_of(render(vu))
        names = [path] if isinstance(body, dict) and path in body else list(parse_path(path))
        return (follow(body, names) is not UNDEFINED) is wanted

    return check


def _equals(value: Any, compiler: Compiler) -> Check:
    parts = [_rendered(text_of(one), compiler) for one in (value if isinstance(value, list) else [value])]
    return lambda _answer, vu: len({text_of(part(vu)) for part in parts}) == 1


def _has_header(value: Any, compiler: Compiler) -> Check:
    render = _rendered(value, compiler)
    return lambda answer, vu: bool(answer.headers.get(text_of(render(vu))))


def _header_equals(value: Any, compiler: Compiler) -> Check:
    render = _rendered(value, compiler)

    def check(answer: Answer, vu: VirtualUser) -> bool:
        pair = render(vu)
        if not isinstance(pair, list) or not pair:
            return False
        found = answer.headers.get(text_of(pair[0]))
        return bool(found) and found == (text_of(pair[1]) if len(pair) > 1 and is_true(pair[1]) else "")

    return check


def _matches_regexp(value: Any, compiler: Compiler) -> Check:
    render = _rendered(value, compiler)

    def check(answer: Answer, vu: VirtualUser) -> bool:
        return compile_pattern(text_of(render(vu))).search(string_of(_parsed(answer))) is not None

    return check


def _cdn_hit(value: Any, compiler: Compiler) -> Check:
    del compiler
    wanted = ("hit", "stale") if value else ("miss",)
    return lambda answer, _vu: any(
        answer.headers.get(name, "").lower().startswith(wanted) for name in _CACHES
    )


def _jmespath(value: Any, compiler: Compiler) -> Check:
    try:
        jmespath: Any = import_module("jmespath")
    except ImportError:
        compiler.wrong("expect.jmespath", 'needs a library: pip install "loadgen[artillery]"')
        return lambda _answer, _vu: False
    try:
        query = jmespath.compile(text_of(value))
    except jmespath.exceptions.JMESPathError as error:
        compiler.wrong("expect.jmespath", f"{value!r} cannot be read: {str(error).splitlines()[0]}")
        return lambda _answer, _vu: False

    def check(answer: Answer, vu: VirtualUser) -> bool:
        del vu
        body = _parsed(answer)
        return isinstance(body, (dict, list)) and is_true(query.search(body))

    return check


_MAKERS: dict[str, Maker] = {
    "statusCode": _status_code,
    "notStatusCode": _not_status_code,
    "contentType": _content_type,
    "hasProperty": _has_property,
    "notHasProperty": _not_has_property,
    "equals": _equals,
    "hasHeader": _has_header,
    "headerEquals": _header_equals,
    "matchesRegexp": _matches_regexp,
    "cdnHit": _cdn_hit,
    "jmespath": _jmespath,
    "jpath": _jmespath,
}
