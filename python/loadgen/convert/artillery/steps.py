"""The flow of an Artillery scenario, step by step, as statements of a script."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from loadgen.convert.artillery.answers import Answers
from loadgen.convert.artillery.requests import Requests, short
from loadgen.convert.artillery.sockets import message
from loadgen.convert.artillery.values import Names
from loadgen.convert.draft import Block, Call, Draft, Line
from loadgen.convert.source import Code, Invoke, flat
from loadgen.convert.writing import invoked
from loadgen.importers.artillery.common_steps import _range as range_of
from loadgen.importers.artillery.http import METHODS
from loadgen.importers.artillery.values import number_of, seconds

_HOOKS = ("beforeRequest", "afterResponse", "onError", "beforeScenario", "afterScenario")


class Flow:
    """Writes the steps of one scenario."""

    def __init__(self, draft: Draft, names: Names, config: Mapping[str, Any], title: str) -> None:
        self.draft = draft
        self.names = names
        self.config = config
        self.title = title
        plugins = config.get("plugins")
        expects = isinstance(plugins, Mapping) and "expect" in plugins
        self._requests = Requests(draft, names, config)
        self._answers = Answers(draft, names, expects=expects)

    def hooks(self, spec: Mapping[str, Any], place: str) -> None:
        """Names the functions that would be called: what they do is for a person to say."""
        for key in _HOOKS:
            found = spec.get(key)
            for name in found if isinstance(found, list) else [found]:
                if name:
                    self.draft.note(f"{place}: the function {name} ({key}) is not called")

    def steps(self, specs: Any) -> list[Call | Line | Block]:
        """Of a list; lists in it are part of it."""
        found: list[Call | Line | Block] = []
        for spec in specs if isinstance(specs, list) else []:
            if isinstance(spec, list):
                found += self.steps(spec)
            elif isinstance(spec, Mapping):
                found += self._step(spec)
        return found

    def _step(self, spec: Mapping[str, Any]) -> list[Call | Line | Block]:
        if "loop" in spec:
            return self._loop(spec)
        if "parallel" in spec:
            return self._parallel(spec)
        if "think" in spec:
            return self._think(spec)
        for word in ("send", "wait"):
            if word in spec:
                return message(self, word, spec[word])
        if "log" in spec:
            return [Line("", Invoke("print", (self.names.value(str(spec["log"])),)))]
        if "function" in spec:
            self.draft.note(f"{self.title}: the function {spec['function']} is not called")
            return []
        for word in spec:
            if word.lower() in METHODS and isinstance(spec[word], Mapping):
                return self._request(word.upper(), spec[word])
        self.draft.note(f"{self.title}: {next(iter(spec), 'an empty step')} is left out")
        return []

    def _think(self, spec: Mapping[str, Any]) -> list[Call | Line | Block]:
        written = spec["think"]
        if isinstance(written, str) and "{{" in written:
            return [
                Line("await ", Invoke("user.pause", (Code(f"float({flat(self.names.value(written))})"),)))
            ]
        length_s = seconds(written)
        if length_s is None and isinstance(written, float):
            length_s = written / 1e3
        if length_s is None:
            self.draft.note(f"{self.title}: think {written!r} is no time, and left out")
            return []
        http = self.config.get("http") or {}
        think = (http.get("defaults") or {}).get("think") or {}
        jitter = str(spec.get("jitter") or think.get("jitter") or "")
        amount = re.match(r"\s*(\d+)", jitter)
        if amount is None:
            return [Line("await ", Invoke("user.pause", (short(length_s),)))]
        most_s = length_s * int(amount[1]) / 100 if "%" in jitter else int(amount[1]) / 1e3
        ends = (short(max(0.0, length_s - most_s)), short(length_s + most_s))
        return [Line("await ", Invoke("user.pause", ends))]

    def _loop(self, spec: Mapping[str, Any]) -> list[Call | Line | Block]:
        index_name = str(spec.get("loopValue") or "$loopCount")
        element_name = str(spec.get("loopElement") or "$loopElement")
        if spec.get("whileTrue"):
            self.draft.note(f"{self.title}: whileTrue: {spec['whileTrue']} is not asked, the loop goes once")
            return self.steps(spec["loop"])
        outer = dict(self.names.known)
        if spec.get("over") is not None:
            head, body = self._over(spec, index_name, element_name)
        else:
            head, body = self._counted(spec, index_name, element_name)
        for name in (index_name, element_name):  # outside they mean what they meant before
            self.names.known.pop(name, None)
            if name in outer:
                self.names.known[name] = outer[name]
        return [Block(head, body)] if body else []

    def _over(
        self, spec: Mapping[str, Any], index_name: str, element_name: str
    ) -> tuple[str, list[Call | Line | Block]]:
        over = spec["over"]
        items = flat(self.names.value(over if isinstance(over, list) else f"{{{{ {over} }}}}"))
        element = self._named(element_name, "element")
        turn = self._named(index_name, "turn")
        body, used = self._body(spec)
        element = element if element in used else "_"
        if turn in used:
            return f"for {turn}, {element} in enumerate({items}):", body
        return f"for {element} in {items}:", body

    def _counted(
        self, spec: Mapping[str, Any], index_name: str, element_name: str
    ) -> tuple[str, list[Call | Line | Block]]:
        count = spec.get("count") or -1
        if isinstance(count, str) and "{{" in count:
            turns = f"int({flat(self.names.value(count))})"
        else:
            first, end = range_of(count)
            if end == -1:
                self.draft.note(f"{self.title}: a loop without an end goes once")
                end = 1
            turns = f"{first}, {end}" if first else str(end)
        turn = self._named(index_name, "turn")
        self.names.known[element_name] = turn
        body, used = self._body(spec)
        return f"for {turn if turn in used else '_'} in range({turns}):", body

    def _body(self, spec: Mapping[str, Any]) -> tuple[list[Call | Line | Block], set[str]]:
        """The steps of a loop, and the names that they ask for."""
        before, self.names.used = self.names.used, set()
        body = self.steps(spec["loop"])
        used = self.names.used
        self.names.used = before | used
        return body, used

    def _named(self, name: str, usual: str) -> str:
        self.names.known.pop(name, None)
        if not name.startswith("$"):
            return self.names.local(name)
        made = self.names.local(usual)
        self.names.known.pop(usual, None)
        self.names.known[name] = made
        return made

    def _parallel(self, spec: Mapping[str, Any]) -> list[Call | Line | Block]:
        steps = self.steps(spec["parallel"])
        calls = [one for one in steps if isinstance(one, Call) and not one.is_used]
        if len(calls) != len(steps) or len(calls) < 2:
            if len(steps) > 1:
                self.draft.note(f"{self.title}: what stands in parallel goes one after the other")
            return steps
        self.draft.modules.add("asyncio")
        return [Line("await ", Invoke("asyncio.gather", tuple(invoked(one) for one in calls)), calls)]

    def _request(self, method: str, spec: Mapping[str, Any]) -> list[Call | Line | Block]:
        url = spec.get("url") or spec.get("uri")
        if not isinstance(url, str):
            self.draft.note(f"{self.title}: a {method} without a URL is left out")
            return []
        self.hooks(spec, f"{method} {url}")
        earlier = dict(self.names.known)
        before, call = self._requests.read(method, url, spec)
        after = self._answers.takes(spec, f"{method} {url}")
        call.is_used = bool(after)
        steps = [*before, call, *after]
        conditions = []
        if "probability" in spec:
            conditions.append(f"user.rng.random() < {number_of(spec['probability']) / 100:g}")
        if "ifTrue" in spec:
            written = spec["ifTrue"]
            condition = self.names.condition(written) if isinstance(written, str) else None
            if condition is None:
                self.draft.note(f"{method} {url}: ifTrue: {written} is not kept: the request is always sent")
            else:
                conditions.append(condition)
        if not conditions:
            return steps
        # What it sets is there as well where it is not sent.
        set_here = {name: code for name, code in self.names.known.items() if earlier.get(name) != code}
        self.names.used |= {earlier[name] for name in set_here if name in earlier}
        unset = [
            Line(f"{code} = ", Code(earlier.get(name, "None")), sets=code) for name, code in set_here.items()
        ]
        return [*unset, Block(f"if {' and '.join(conditions)}:", steps)]
