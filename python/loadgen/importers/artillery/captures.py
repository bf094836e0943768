"""`capture` and `match`: what is taken from a response into variables, and what must be found in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeAlias

from loadgen.errors import UsageError
from loadgen.importers.artillery.json_paths import compile_path
from loadgen.importers.artillery.patterns import compile_pattern
from loadgen.importers.artillery.values import are_same, json_text, number_of, set_path, text_of
from loadgen.importers.artillery.virtual_user import UNDEFINED, VirtualUser

if TYPE_CHECKING:
    from loadgen.importers.artillery.answer import Answer
    from loadgen.importers.artillery.flow import Compiler

# What is taken: `UNDEFINED` or "" where there is nothing.
Taker: TypeAlias = "Callable[[Answer, VirtualUser], Any]"
# Takes everything that a step says; whether all of it was there.
Captures: TypeAlias = "Callable[[Answer, VirtualUser], bool]"

_KINDS = ("json", "xpath", "regexp", "header", "selector")
_KNOWN = frozenset({*_KINDS, *("as", "value", "strict", "multiple", "group", "flags", "attr", "index")})
FAILED = "Failed capture or match"


def compile_captures(spec: Mapping[str, Any], place: str, compiler: Compiler) -> Captures | None:
    """Of a step; None where it neither captures nor matches."""
    captures = [
        _compile_capture(one, at, compiler)
        for one, at in _listed(spec, "capture", place)
        if _is_spec(one, at, "as", compiler)
    ]
    matches = [
        _compile_match(one, at, compiler)
        for one, at in _listed(spec, "match", place)
        if _is_spec(one, at, "value", compiler)
    ]
    if not captures and not matches:
        return None

    def take(answer: Answer, vu: VirtualUser) -> bool:
        taken = {}
        missing = set()
        for name, is_strict, taker in captures:
            taken[name] = value = taker(answer, vu)
            # Of several for one variable the last counts.
            if is_strict and (value is UNDEFINED or value == ""):
                missing.add(name)
            else:
                missing.discard(name)
        ok = not missing
        for is_strict, taker, expected in matches:
            wanted = expected(vu) if callable(expected) else expected
            if not are_same(taker(answer, vu), wanted) and is_strict:
                ok = False
        if ok:  # one that failed leaves all variables as they were
            for name, value in taken.items():
                set_path(vu.vars, name, value)
        return ok

    return take


def _listed(spec: Mapping[str, Any], key: str, place: str) -> list[tuple[Any, str]]:
    found = spec.get(key)
    if found is None:
        return []
    if not isinstance(found, list):
        return [(found, f"{place}.{key}")]
    return [(one, f"{place}.{key}[{index}]") for index, one in enumerate(found)]


def _is_spec(one: Any, place: str, needed: str, compiler: Compiler) -> bool:
    if not isinstance(one, Mapping):
        compiler.wrong(place, f"expected json, xpath, regexp, header or selector, got {one!r}")
        return False
    if needed not in one:
        compiler.wrong(f"{place}.{needed}", "is missing")
        return False
    for key in one:
        if key not in _KNOWN:
            compiler.note(f"{place}.{key} is not known, and without effect")
    return True


def _compile_capture(spec: Mapping[str, Any], place: str, compiler: Compiler) -> tuple[str, bool, Taker]:
    return str(spec["as"]), _is_strict(spec.get("strict"), compiler.config), _taker(spec, place, compiler)


def _is_strict(said: Any, config: Mapping[str, Any]) -> bool:
    """Unless `strict: false` is said here or, where nothing is said here, by default."""
    http_defaults = (config.get("http") or {}).get("defaults") or {}
    defaults = (http_defaults.get("strictCapture"), (config.get("defaults") or {}).get("strictCapture"))
    return said is not False and (said is not None or False not in defaults)


def _compile_match(spec: Mapping[str, Any], place: str, compiler: Compiler) -> tuple[bool, Taker, Any]:
    return spec.get("strict") is not False, _taker(spec, place, compiler), compiler.render(spec["value"])


def _taker(spec: Mapping[str, Any], place: str, compiler: Compiler) -> Taker:
    kind = next((kind for kind in _KINDS if spec.get(kind)), None)
    if kind is None:
        compiler.wrong(place, f"expected one of {', '.join(_KINDS)}")
        return lambda _answer, _vu: UNDEFINED
    written = spec[kind]
    if not isinstance(written, str):
        compiler.wrong(f"{place}.{kind}", f"expected a text, got {written!r}")
        return lambda _answer, _vu: UNDEFINED
    rendered = compiler.render(written)
    makers = {"json": _json, "xpath": _xpath, "regexp": _regexp, "header": _header, "selector": _selector}
    make = makers[kind]
    try:
        if not callable(rendered):
            return make(rendered, spec)
        make("a", spec)  # what it needs is asked for now, and not in the load
    except ValueError as error:
        compiler.wrong(f"{place}.{kind}", str(error))
        return lambda _answer, _vu: UNDEFINED

    def take(answer: Answer, vu: VirtualUser) -> Any:
        try:
            return make(text_of(rendered(vu)), spec)(answer, vu)
        except ValueError:
            return ""

    return take


def _json(path: str, spec: Mapping[str, Any]) -> Taker:
    query = compile_path(path)
    is_whole = spec.get("multiple") is False

    def take(answer: Answer, vu: VirtualUser) -> Any:
        document = answer.json
        if not isinstance(document, (dict, list)):
            return UNDEFINED if document is UNDEFINED else ""
        found = query.find(document)
        if is_whole:
            if not query.is_of_one:
                return found or ""
            return found[0] if found and found[0] not in (0, False, None) else ""
        if len(found) > 1:
            return vu.rng.choice(found)
        return found[0] if found else UNDEFINED

    return take


def _regexp(text: str, spec: Mapping[str, Any]) -> Taker:
    pattern = compile_pattern(text, str(spec.get("flags") or ""))
    group = spec.get("group")

    def take(answer: Answer, vu: VirtualUser) -> Any:
        del vu
        match = pattern.search(answer.body)
        if match is None:
            return ""
        if not group:
            return match[0]
        if pattern.groupindex:
            return match.groupdict().get(str(group)) or UNDEFINED
        number = number_of(group)
        within = number.is_integer() and 0 < number <= pattern.groups
        return (match[int(number)] if within else None) or match[0]

    return take


def _header(name: str, spec: Mapping[str, Any]) -> Taker:
    del spec
    if name == "set-cookie":  # Node has a list of them
        return lambda answer, _vu: answer.set_cookies or ""
    return lambda answer, _vu: answer.headers.get(name, "")


def _selector(selector: str, spec: Mapping[str, Any]) -> Taker:
    html, cssselect = _library("lxml.html", "selector"), _library("cssselect", "selector")
    try:
        path = cssselect.HTMLTranslator().css_to_xpath(selector)
    except cssselect.SelectorError as error:
        raise ValueError(f"{selector!r} is no selector: {error}") from None
    attribute, index = spec.get("attr"), spec.get("index", 0)

    def take(answer: Answer, vu: VirtualUser) -> Any:
        if not answer.body.strip():
            return UNDEFINED
        found = html.document_fromstring(answer.body).xpath(path)
        if not found:
            return UNDEFINED
        if index == "random":
            element = vu.rng.choice(found)
        elif index == "last":
            element = found[-1]
        else:
            at = number_of(index)
            if not at.is_integer() or not 0 <= at < len(found):
                return UNDEFINED
            element = found[int(at)]
        if attribute is None:
            return dict(element.attrib)
        return element.attrib.get(str(attribute), UNDEFINED)

    return take


def _xpath(path: str, spec: Mapping[str, Any]) -> Taker:
    del spec
    etree = _library("lxml.etree", "xpath")
    try:
        compiled = etree.XPath(path)
    except etree.XPathError as error:
        raise ValueError(f"{path!r} is no XPath: {error}") from None

    def take(answer: Answer, vu: VirtualUser) -> Any:
        try:
            found = compiled(
                etree.fromstring(answer.response.content, etree.XMLParser(resolve_entities=False))
            )
        except etree.XMLSyntaxError:
            return UNDEFINED
        if not isinstance(found, list):
            return found if isinstance(found, (bool, float)) else str(found)
        if not found:
            return ""
        hit = vu.rng.choice(found) if len(found) > 1 else found[0]
        return str(hit) if isinstance(hit, str) else "".join(hit.itertext())

    return take


def _library(name: str, kind: str) -> Any:
    try:
        return import_module(name)
    except ImportError:
        raise UsageError(
            f"capture: {kind} needs a library that is not installed",
            hint='pip install "loadgen[artillery]"',
        ) from None


class Message:
    """A text in place of a response, for captures and matches of messages."""

    def __init__(self, value: Any) -> None:
        self._value = value
        self.headers: dict[str, str] = {}

    @property
    def body(self) -> str:
        """As text."""
        return self._value if isinstance(self._value, str) else json_text(self._value)

    @property
    def json(self) -> Any:
        """Read as JSON, unless it is more than text already."""
        if not isinstance(self._value, (str, bytes)):
            return self._value
        import msgspec

        try:
            return msgspec.json.decode(self._value)
        except ValueError:
            return UNDEFINED
