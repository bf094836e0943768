"""The flow of an Artillery scenario, step by step, as statements of a script."""

from __future__ import annotations

import re
from collections.abc import Mapping
from mimetypes import guess_type
from typing import Any
from urllib.parse import parse_qsl, quote_plus

from loadgen.convert.artillery_answers import Answers
from loadgen.convert.artillery_values import Names, formatted, is_secret
from loadgen.convert.calls import pairs_or_mapping
from loadgen.convert.draft import Block, Call, Draft, Line
from loadgen.convert.source import Code, Invoke, flat, quoted
from loadgen.convert.writing import invoked
from loadgen.importers.artillery.common_steps import _range as range_of
from loadgen.importers.artillery.http import METHODS
from loadgen.importers.artillery.values import number_of, seconds

_PLACE = re.compile(r"\{\{\s*([^{}]+?)\s*\}\}")
_HOOKS = ("beforeRequest", "afterResponse", "onError", "beforeScenario", "afterScenario")


class Flow:
    """Writes the steps of one scenario."""

    def __init__(self, draft: Draft, names: Names, config: Mapping[str, Any], title: str) -> None:
        self._draft = draft
        self._names = names
        self._config = config
        self._title = title
        plugins = config.get("plugins")
        expects = isinstance(plugins, Mapping) and "expect" in plugins
        self._answers = Answers(draft, names, expects=expects)

    def hooks(self, spec: Mapping[str, Any], place: str) -> None:
        """Names the functions that would be called: what they do is for a person to say."""
        for key in _HOOKS:
            found = spec.get(key)
            for name in found if isinstance(found, list) else [found]:
                if name:
                    self._draft.note(f"{place}: the function {name} ({key}) is not called")

    def steps(self, specs: Any) -> list[Call | Line | Block]:
        """Of a list; lists in it are part of it."""
        found: list[Call | Line | Block] = []
        for spec in specs if isinstance(specs, list) else []:
            if isinstance(spec, list):
                found += self.steps(spec)
            elif isinstance(spec, Mapping):
                found += self._step(spec)
        return found

    def over_socket(self, specs: Any) -> list[Call | Line | Block]:
        """The same over a WebSocket, which the first step may describe."""
        first = specs[0] if isinstance(specs, list) and specs and isinstance(specs[0], Mapping) else {}
        given = first.get("connect") or {}
        target = str(self._config.get("target") or "")
        url = str(given.get("target") or target) if isinstance(given, Mapping) else str(given)
        if isinstance(given, Mapping) and set(given) - {"target"}:
            left = ", ".join(str(key) for key in given if key != "target")
            self._draft.note(f"{self._title}: connect: {left} left out")
        url = re.sub(r"^\{\{\s*target\s*\}\}", "", url)
        url = url.removeprefix(target) if target and url.startswith(target) else url
        call = Call("GET", url if url.startswith(("/", "ws")) or "{{" in url else f"/{url}")
        opened = flat(Invoke("user.ws", (self._names.as_text(call.url),)))
        body = self.steps([one for one in specs if not (isinstance(one, Mapping) and "connect" in one)])
        if not body:
            body = [Line("", Code("pass"))]
        return [Block(f"async with {opened} as socket:", body, [call])]

    def _message(self, word: str, written: Any) -> list[Call | Line | Block]:
        listens = word == "wait" or (
            isinstance(written, Mapping) and ("capture" in written or "match" in written)
        )
        if listens:
            self._draft.note(f"{self._title}: what is taken from messages, or expected of them, is left out")
        if word == "wait" or (listens and "payload" not in written):
            return [Line("", Code("await socket.recv()"))]
        payload = written["payload"] if listens else written
        node = self._names.as_text(payload)
        if isinstance(payload, (dict, list)):
            self._draft.modules.add("json")
            node = Invoke("json.dumps", (self._names.value(payload, is_json=True),))
        return [Line("await ", Invoke("socket.request" if listens else "socket.send", (node,)))]

    def _step(self, spec: Mapping[str, Any]) -> list[Call | Line | Block]:
        if "loop" in spec:
            return self._loop(spec)
        if "parallel" in spec:
            return self._parallel(spec)
        if "think" in spec:
            return self._think(spec)
        for word in ("send", "wait"):
            if word in spec:
                return self._message(word, spec[word])
        if "log" in spec:
            return [Line("", Invoke("print", (self._names.value(str(spec["log"])),)))]
        if "function" in spec:
            self._draft.note(f"{self._title}: the function {spec['function']} is not called")
            return []
        for word in spec:
            if word.lower() in METHODS and isinstance(spec[word], Mapping):
                return self._request(word.upper(), spec[word])
        self._draft.note(f"{self._title}: {next(iter(spec), 'an empty step')} is left out")
        return []

    def _think(self, spec: Mapping[str, Any]) -> list[Call | Line | Block]:
        written = spec["think"]
        if isinstance(written, str) and "{{" in written:
            return [
                Line("await ", Invoke("user.pause", (Code(f"float({flat(self._names.value(written))})"),)))
            ]
        length_s = seconds(written)
        if length_s is None and isinstance(written, float):
            length_s = written / 1e3
        if length_s is None:
            self._draft.note(f"{self._title}: think {written!r} is no time, and left out")
            return []
        http = self._config.get("http") or {}
        think = (http.get("defaults") or {}).get("think") or {}
        jitter = str(spec.get("jitter") or think.get("jitter") or "")
        amount = re.match(r"\s*(\d+)", jitter)
        if amount is None:
            return [Line("await ", Invoke("user.pause", (_short(length_s),)))]
        most_s = length_s * int(amount[1]) / 100 if "%" in jitter else int(amount[1]) / 1e3
        ends = (_short(max(0.0, length_s - most_s)), _short(length_s + most_s))
        return [Line("await ", Invoke("user.pause", ends))]

    def _loop(self, spec: Mapping[str, Any]) -> list[Call | Line | Block]:
        index_name = str(spec.get("loopValue") or "$loopCount")
        element_name = str(spec.get("loopElement") or "$loopElement")
        if spec.get("whileTrue"):
            self._draft.note(
                f"{self._title}: whileTrue: {spec['whileTrue']} is not asked, the loop goes once"
            )
            return self.steps(spec["loop"])
        outer = dict(self._names.known)
        over = spec.get("over")
        if over is not None:
            items = flat(self._names.value(over if isinstance(over, list) else f"{{{{ {over} }}}}"))
            element = self._named(element_name, "element")
            uses = str(spec["loop"])
            if index_name in uses:
                head = f"for {self._named(index_name, 'turn')}, {element} in enumerate({items}):"
            else:
                head = f"for {element} in {items}:"
        else:
            count = spec.get("count") or -1
            turn = self._named(index_name, "turn")
            self._names.known[element_name] = turn
            if isinstance(count, str) and "{{" in count:
                head = f"for {turn} in range(int({flat(self._names.value(count))})):"
            else:
                first, end = range_of(count)
                if end == -1:
                    self._draft.note(f"{self._title}: a loop without an end goes once")
                    end = 1
                head = f"for {turn} in range({f'{first}, ' if first else ''}{end}):"
        body = self.steps(spec["loop"])
        for name in (index_name, element_name):  # outside they mean what they meant before
            self._names.known.pop(name, None)
            if name in outer:
                self._names.known[name] = outer[name]
        if not body:
            return []
        return [Block(head, body)]

    def _named(self, name: str, usual: str) -> str:
        self._names.known.pop(name, None)
        if not name.startswith("$"):
            return self._names.local(name)
        made = self._names.local(usual)
        self._names.known.pop(usual, None)
        self._names.known[name] = made
        return made

    def _parallel(self, spec: Mapping[str, Any]) -> list[Call | Line | Block]:
        steps = self.steps(spec["parallel"])
        calls = [one for one in steps if isinstance(one, Call) and not one.is_used]
        if len(calls) != len(steps) or len(calls) < 2:
            if len(steps) > 1:
                self._draft.note(f"{self._title}: what stands in parallel goes one after the other")
            return steps
        self._draft.modules.add("asyncio")
        return [Line("await ", Invoke("asyncio.gather", tuple(invoked(one) for one in calls)), calls)]

    def _request(self, method: str, spec: Mapping[str, Any]) -> list[Call | Line | Block]:
        url = spec.get("url") or spec.get("uri")
        if not isinstance(url, str):
            self._draft.note(f"{self._title}: a {method} without a URL is left out")
            return []
        self.hooks(spec, f"{method} {url}")
        call = Call(method, url)
        earlier = dict(self._names.known)
        before: list[Call | Line | Block] = []
        self._place(call, url, spec)
        self._say(call, spec, before)
        after = self._answers.takes(spec, f"{method} {url}")
        call.is_used = bool(after)
        steps = [*before, call, *after]
        conditions = []
        if "probability" in spec:
            conditions.append(f"user.rng.random() < {number_of(spec['probability']) / 100:g}")
        if "ifTrue" in spec:
            written = spec["ifTrue"]
            condition = self._names.condition(written) if isinstance(written, str) else None
            if condition is None:
                self._draft.note(f"{method} {url}: ifTrue: {written} is not kept: the request is always sent")
            else:
                conditions.append(condition)
        if not conditions:
            return steps
        # What it sets is there as well where it is not sent.
        set_here = {name: code for name, code in self._names.known.items() if earlier.get(name) != code}
        self._names.used |= {earlier[name] for name in set_here if name in earlier}
        unset = [Line(f"{code} = ", Code(earlier.get(name, "None"))) for name, code in set_here.items()]
        return [*unset, Block(f"if {' and '.join(conditions)}:", steps)]

    def _place(self, call: Call, url: str, spec: Mapping[str, Any]) -> None:
        """The path with its values, and the query."""
        url = re.sub(r"^\{\{\s*target\s*\}\}", "", url)
        path, _, query = url.partition("?")
        base = str(self._config.get("target") or "")
        if base and path.startswith(base) and path[len(base) : len(base) + 1] == "/":
            path = path[len(base) :]
        values: dict[str, object] = {}

        def put(match: re.Match[str]) -> str:
            code = self._names.expression(match[1])
            name = re.sub(r"\W+", "_", match[1]).strip("_") or "value"
            if not name.isidentifier():
                name = f"value_{name}"
            while name in values and values[name] != Code(code):
                name += "_2"
            values[name] = Code(code)
            return f"{{{name}}}"

        if "{{" in path.partition("/")[0] or (not path.startswith("/") and "{{" in path):
            pieces: list[tuple[str, str | None]] = []
            done = 0
            for match in _PLACE.finditer(path):
                pieces.append((path[done : match.start()], self._names.expression(match[1])))
                done = match.end()
            call.code = formatted([*pieces, (path[done:], None)])
            shown = _PLACE.sub(lambda match: f"{{{match[1]}}}", path)
            call.options["name"] = f"{call.method} {shown}"
            call.url = shown
        else:
            call.url = _PLACE.sub(put, path)
        if values:
            call.options["path"] = values
        if isinstance(spec.get("qs"), Mapping):
            call.options["params"] = self._names.value(spec["qs"])
        elif query:
            pairs = parse_qsl(query, keep_blank_values=True)
            again = "&".join(f"{quote_plus(name)}={quote_plus(value)}" for name, value in pairs)
            if "{{" in query or again == query:
                kept = [(name, self._names.value(value)) for name, value in pairs]
                call.options["params"] = pairs_or_mapping(kept)
            else:
                call.url += f"?{query}"

    def _say(self, call: Call, spec: Mapping[str, Any], before: list[Call | Line | Block]) -> None:
        """Headers, body and the rest."""
        options, names = call.options, self._names
        headers = self.headers(spec.get("headers"))
        if headers:
            options["headers"] = headers
        cookies = spec.get("cookie")
        for name, value in cookies.items() if isinstance(cookies, Mapping) else ():
            kept = value if isinstance(value, str) and "{{" in value else None
            code = self._draft.secret(f"cookie {name}") if kept is None else names.as_text(value)
            before.append(Line(f"user.cookies[{quoted(str(name))}] = ", code))
        auth = spec.get("auth")
        if isinstance(auth, Mapping):
            password = auth.get("pass", "")
            secret = self._draft.secret("password") if "{{" not in str(password) else names.value(password)
            options["auth"] = (names.value(str(auth.get("user", ""))), secret)
        if isinstance(spec.get("formData"), Mapping):
            options["files"] = {name: self._part(value) for name, value in spec["formData"].items()}
        elif spec.get("json"):
            options["json"] = names.value(spec["json"], is_json=True)
        elif isinstance(spec.get("form"), Mapping):
            options["data"] = names.value(spec["form"])
        elif spec.get("body"):
            options["content"] = names.as_text(spec["body"])
        if number_of(spec.get("timeout")) > 0:
            options["timeout"] = _short(number_of(spec["timeout"]))
        if spec.get("followRedirect") is False:
            options["follow_redirects"] = False
        if spec.get("name"):
            options["name"] = str(spec["name"])

    def headers(self, written: Any) -> dict[str, object]:
        """Without values that open doors."""
        found: dict[str, object] = {}
        for name, value in written.items() if isinstance(written, Mapping) else ():
            if value is None:
                continue
            secret = is_secret(str(name), value)
            found[str(name)] = self._draft.secret(str(name)) if secret else self._names.as_text(value)
        return found

    def _part(self, value: Any) -> object:
        if isinstance(value, Mapping) and value.get("fromFile"):
            path = str(value["fromFile"]).removeprefix("./")
            if "{{" in path:
                self._draft.note(f"{path}: a file whose name varies is left out")
                return (None, "")
            kind = value.get("contentType") or guess_type(path)[0] or "application/octet-stream"
            return (path.rpartition("/")[2], self._draft.file(path), str(kind))
        if isinstance(value, Mapping):
            text = self._names.as_text(value.get("value", ""))
            return (None, text, str(value["contentType"])) if value.get("contentType") else (None, text)
        return (None, self._names.as_text(value))


def _short(number: float) -> float:
    """An int where it is one."""
    return int(number) if number.is_integer() else round(number, 6)
