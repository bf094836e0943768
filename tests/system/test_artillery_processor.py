"""Processors of Artillery scripts through the front door: what hooks change goes out, what they count too."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.support.site import Asked, Site, answer
from tests.support.socket_scripts import counter

if TYPE_CHECKING:
    from tests.conftest import RawServerFactory
    from tests.support.artillery import Artillery

FLOW = """\
config:
  target: {url}
  phases: [{{duration: 1, arrivalCount: 3}}]
  processor: ./{processor}
  variables: {{word: blue, nested: {{list: [1, 2]}}}}
scenarios:
  - name: hooked
    beforeScenario: begin
    afterScenario: [finish]
    beforeRequest: mark
    afterResponse: look
    flow:
      - function: count
      - post: {{url: "/first", json: {{word: "{{{{ word }}}}"}}, capture: {{json: $.n, as: nested.taken}}}}
      - get: {{url: "/second/{{{{ code }}}}/{{{{ nested.list.length }}}}", beforeRequest: move}}
      - loop:
          - get: {{url: "/round/{{{{ $loopCount }}}}"}}
        whileTrue: more
      - get: {{url: /never, ifTrue: isRed}}
      - get: {{url: /always, ifTrue: isBlue}}
"""
JAVASCRIPT = """\
'use strict';
const { label } = require('./lib/labels');
const crypto = require('crypto');
let arrivals = 0;

function begin(context, ee, next) {
  arrivals += 1;
  context.vars.arrival = arrivals;
  context.vars.made = { at: new Date(0), twice: (x) => 2 * x };
  return next();
}
async function count(context, ee) {
  await new Promise((resolve) => setTimeout(resolve, 5));
  ee.emit('counter', 'counted', context.vars.made.twice(2));
  ee.emit('histogram', 'measured', 1.5);
  ee.emit('customStat', { stat: 'old', value: 7 });
  ee.emit('rate', 'often');
}
function mark(requestParams, context, ee, next) {
  requestParams.headers = { ...requestParams.headers, 'x-mark': label(context.vars.word) };
  next();
}
function look(requestParams, response, context, ee, next) {
  context.vars.code = response.statusCode;
  context.vars.rounds = (context.vars.rounds || 0) + requestParams.url.includes('/round/');
  context.vars.nested.list.push(JSON.parse(response.body).n);
  next();
}
function move(requestParams, context, ee, next) {
  const { taken, list } = context.vars.nested;
  requestParams.url += `?taken=${taken}&list=${list.join('-')}`;
  requestParams.headers['x-digest'] = crypto.createHash('md5').update('abc').digest('hex');
  next();
}
const more = (context, next) => next(context.vars.rounds < 2);
const isRed = (vars) => vars.word === 'red';
const isBlue = (vars) => vars.word === 'blue';
const finish = (context, ee, next) => {
  ee.emit('counter', `ended ${typeof context.vars.made.at.getTime}`, 1);
  next();
};
module.exports = { begin, count, mark, look, move, more, isRed, isBlue, finish };
"""
LABELS = "exports.label = (word) => `${word}!`;\n"
PYTHON = """\
import asyncio
import hashlib

arrivals = 0

def begin(context, events, done):
    global arrivals
    arrivals += 1
    context.vars["arrival"] = arrivals
    done()

async def count(context, events):
    await asyncio.sleep(0.005)
    events.emit("counter", "counted", 4)
    events.emit("histogram", "measured", 1.5)
    events.emit("customStat", {"stat": "old", "value": 7})
    events.emit("rate", "often")

def mark(request_params, context, events, done):
    request_params.setdefault("headers", {})["x-mark"] = context.vars["word"] + "!"
    done()

def look(request_params, response, context, events):
    context.vars["code"] = response.status
    context.vars["rounds"] = context.vars.get("rounds", 0) + ("/round/" in request_params["url"])
    nested = context.vars["nested"]
    context.vars["nested"] = {**nested, "list": [*nested["list"], response.json["n"]]}

def move(request_params, context, events, done):
    nested = context.vars["nested"]
    taken = "-".join(str(one) for one in nested["list"])
    request_params["url"] += f"?taken={nested['taken']}&list={taken}"
    request_params["headers"]["x-digest"] = hashlib.md5(b"abc").hexdigest()
    done()

def more(context, next):
    next(context.vars["rounds"] < 2)

def isRed(vars):
    return vars["word"] == "red"

def isBlue(vars):
    return vars["word"] == "blue"

def finish(context, events):
    events.emit("counter", "ended function")
"""


def numbered(asked: Asked) -> bytes:
    del asked
    return answer(200, "Content-Type: application/json", body=b'{"n": 7}')


@pytest.mark.parametrize("language", ["javascript", "python"])
def test_hooks_have_their_say(artillery: Artillery, raw_server: RawServerFactory, language: str) -> None:
    site = Site(raw_server, numbered)
    (artillery.folder / "lib").mkdir()
    artillery.file("lib/labels.js", LABELS)
    artillery.file("hooks.js", JAVASCRIPT)
    artillery.file("hooks.py", PYTHON)
    processor = "hooks.js" if language == "javascript" else "hooks.py"
    told = artillery(FLOW.format(url=site.url, processor=processor))
    assert told.exit_code == 0, told.result
    targets = sorted({asked.target for asked in site.asked})
    assert targets == ["/always", "/first", "/round/0", "/round/1", *targets[-1:]]
    assert targets[-1].startswith("/second/200/3?taken=7&list=1-2-7")
    assert len(site.asked) == 3 * 5
    assert {asked.headers["x-mark"] for asked in site.asked} == {"blue!"}
    assert {asked.body for asked in site.asked if asked.method == "POST"} == {b'{"word":"blue"}'}
    digests = {asked.headers.get("x-digest") for asked in site.asked if asked.target.startswith("/second")}
    assert digests == {"900150983cd24fb0d6963f7d28e17f72"}
    assert counter(told, "counted") == 12
    assert counter(told, "rates.often") == counter(told, "ended function") == 3
    assert told.summary["metrics"]["measured"]["count"] == told.summary["metrics"]["old"]["count"] == 3


SEEN = """\
config:
  target: {url}
  phases: [{{duration: 1, arrivalCount: 2}}]
  processor: ./{processor}
  variables: {{word: blue}}
scenarios:
  - flow:
      - post:
          url: "/sent/{{{{ word }}}}"
          headers: {{X-Kept: "{{{{ word }}}}", X-Taken: "1"}}
          json: {{word: "{{{{ word }}}}", drawn: "{{{{ $randomNumber(1, 1000000) }}}}"}}
          beforeRequest: [take, put]
          capture: {{json: $.n, as: word}}
          afterResponse: look
      - post: {{url: /seen, json: "{{{{ seen }}}}"}}
      - loop:
          - get: {{url: "/round/{{{{ $loopCount }}}}"}}
        whileTrue: more
      - get: {{url: /sure, ifTrue: broken}}
"""
SEEN_JAVASCRIPT = """\
module.exports = {
  take(requestParams, context, ee, next) { delete requestParams.headers['X-Taken']; next(); },
  put(requestParams, context, ee, next) { requestParams.headers = { 'x-put': '{{ word }}' }; next(); },
  look(requestParams, response, context, ee, next) {
    const { url, json, headers } = requestParams;
    context.vars.seen = { url, json, headers };
    next();
  },
  async more(context, next) {
    context.vars.rounds = (context.vars.rounds || 0) + 1;
    await Promise.resolve();
    return next(context.vars.rounds < 2);
  },
  broken: (vars) => vars.nothing.here,
};
"""
SEEN_PYTHON = """\
def take(request_params, context, events):
    del request_params["headers"]["X-Taken"]

def put(request_params, context, events):
    request_params["headers"] = {"x-put": "{{ word }}"}

def look(request_params, response, context, events):
    context.vars["seen"] = {name: request_params[name] for name in ("url", "json", "headers")}

def broken(vars):
    return vars["nothing"]["here"]

async def more(context):
    context.vars["rounds"] = context.vars.get("rounds", 0) + 1
    return context.vars["rounds"] < 2
"""


@pytest.mark.parametrize("language", ["javascript", "python"])
def test_hooks_see_what_was_sent(artillery: Artillery, raw_server: RawServerFactory, language: str) -> None:
    """Templates are filled in once, and with what there was before the captures."""
    site = Site(raw_server, numbered)
    artillery.file("hooks.js", SEEN_JAVASCRIPT)
    artillery.file("hooks.py", SEEN_PYTHON)
    processor = "hooks.js" if language == "javascript" else "hooks.py"
    told = artillery(SEEN.format(url=site.url, processor=processor))
    assert told.exit_code == 0, told.result
    rounds = {"GET /round/0": 2, "GET /round/1": 2}
    # What is wrong with a condition is told, and keeps no request back.
    assert site.counts() == {"POST /sent/blue": 2, "POST /seen": 2, **rounds, "GET /sure": 2}
    told.assert_says(f"{processor} failed: ")
    headers = {"x-kept": "blue", "x-put": "blue"}
    sent = [asked for asked in site.asked if asked.target == "/sent/blue"]
    for asked in sent:
        assert headers.items() < asked.headers.items() and "x-taken" not in asked.headers
    seen = [json.loads(asked.body) for asked in site.asked if asked.target == "/seen"]
    assert {json.dumps(one["json"]) for one in seen} == {json.dumps(json.loads(asked.body)) for asked in sent}
    for one in seen:
        assert one["url"] == f"{site.url}/sent/blue" and one["headers"] == headers


@pytest.mark.parametrize(
    ("name", "text", "lengths"),
    [
        (
            "hooks.js",
            "exports.add = (context, ee, next) => { context.vars.basket.items.push(1); next(); };\n",
            [1],
        ),
        ("hooks.py", "def add(context, events):\n    context.vars['basket']['items'].append(1)\n", [1, 2, 3]),
    ],
)
def test_whose_the_objects_of_variables_are(
    artillery: Artillery, raw_server: RawServerFactory, name: str, text: str, lengths: list[int]
) -> None:
    """In JavaScript each virtual user's own, in Python those of all."""
    site = Site(raw_server, numbered)
    artillery.file(name, text)
    told = artillery(
        f"""\
        config:
          target: {site.url}
          phases: [{{duration: 1, arrivalCount: 3}}]
          processor: ./{name}
          variables: {{basket: {{items: []}}}}
        scenarios: [{{flow: [{{function: add}}, {{post: {{url: /, json: "{{{{ basket.items }}}}"}}}}]}}]
        """
    )
    assert told.exit_code == 0, told.result
    assert sorted({len(json.loads(asked.body)) for asked in site.asked}) == lengths


FAILING = """\
config:
  target: {url}
  timeout: 1
  phases: [{{duration: 1, arrivalCount: 2}}]
  processor: ./hooks.js
scenarios:
  - flow:
      - function: {name}
      - get: {{url: /never}}
"""
FAILURES = """\
module.exports = {
  says(context, ee, next) { next(new Error('no stock')); },
  throws(context, ee, next) {
    context.nothing.here = 1;
  },
  async rejects() { throw Object.assign(new Error('busy'), { code: 'EBUSY' }); },
  forgets(context, ee, next) {},
};
"""


@pytest.mark.parametrize(
    ("name", "code", "said"),
    [
        ("says", "no stock", "no stock (hooks.js:2:"),
        ("throws", "cannot set property 'here' of undefined", "hooks.js:4:"),
        ("rejects", "EBUSY", "EBUSY (hooks.js:6:"),
        ("forgets", "hook timeout", "forgets in hooks.js has not called its callback for 1 s"),
    ],
)
def test_a_hook_that_fails_ends_its_virtual_user(
    artillery: Artillery, raw_server: RawServerFactory, name: str, code: str, said: str
) -> None:
    site = Site(raw_server, numbered)
    artillery.file("hooks.js", FAILURES)
    told = artillery(FAILING.format(url=site.url, name=name))
    assert site.asked == []
    assert told.summary["arrivals"]["failed"] == 2, told.result
    assert counter(told, f"errors.{code}") == 2
    told.assert_says(said)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        (
            "hooks.js",
            "const http = require('http');",
            "http is a module of Node's that loadgen does not have",
        ),
        ("hooks.js", "require('left-pad')", "left-pad is not in any node_modules"),
        ("hooks.js", "require('./gone')", "cannot find './gone'"),
        ("hooks.js", "module.exports = {;", "hooks.js:1:"),
        ("hooks.js", "\nnull.f();", "hooks.js:2:"),
        ("hooks.ts", "export const f = 1;", "hooks.ts is TypeScript"),
        ("hooks.py", "import this_is_missing", "hooks.py:1"),
        ("hooks.mjs", "import x from './gone.mjs';", "cannot find './gone.mjs'"),
    ],
)
def test_what_cannot_be_had_is_said_with_its_remedy(
    artillery: Artillery, name: str, text: str, said: str
) -> None:
    artillery.file(name, text)
    told = artillery(
        f"config: {{target: 'http://127.0.0.1:9', processor: ./{name}}}\n"
        "scenarios: [{flow: [{get: {url: /}}]}]\n"
    )
    assert told.exit_code == 2, told.result
    told.assert_says(said)
    told.assert_is_no_traceback()


@pytest.mark.parametrize("ending", ["mjs", "js"])
def test_a_module_of_imports_and_exports_is_a_processor(
    artillery: Artillery, raw_server: RawServerFactory, ending: str
) -> None:
    site = Site(raw_server, numbered)
    artillery.file(f"one.{ending}", "export const end = '!';\n")
    artillery.file(f"words.{ending}", "export const word = 'module';\nexport default (x) => `${x}s`;\n")
    artillery.file(
        f"hooks.{ending}",
        """\
        import plural, { word as one } from './words.ENDING';
        import { join } from 'node:path';
        import { end } from './one.ENDING';
        export async function mark(requestParams, context) {
          const { word } = await import('./words.ENDING');
          requestParams.headers = { 'x-mark': join(plural(one), word) + end };
        }
        """.replace("ENDING", ending),
    )
    told = artillery(
        f"config: {{target: '{site.url}', processor: ./hooks.{ending}}}\n"
        "scenarios: [{flow: [{get: {url: /, beforeRequest: mark}}]}]\n"
    )
    assert told.exit_code == 0, told.result
    assert [asked.headers["x-mark"] for asked in site.asked] == ["modules/module!"]


@pytest.mark.parametrize(
    ("module", "extra", "config"),
    [
        ("_quickjs", "js", "processor: ./hooks.js"),
        ("faker", "fake", "plugins: {fake-data: {}}"),
    ],
)
def test_an_extra_that_is_not_installed_is_named(
    artillery: Artillery, module: str, extra: str, config: str
) -> None:
    (artillery.folder / "absent").mkdir()
    artillery.file(f"absent/{module}.py", "raise ImportError(__name__)\n")
    artillery.file("hooks.js", "exports.f = () => {};\n")
    told = artillery(
        f"config: {{target: 'http://127.0.0.1:9', {config}}}\nscenarios: [{{flow: [{{get: {{url: /}}}}]}}]\n",
        environment={"PYTHONPATH": str(artillery.folder / "absent")},
    )
    assert told.exit_code == 2, told.result
    told.assert_says(f"pip install 'loadgen[{extra}]'")


def test_fake_data_goes_out(artillery: Artillery, raw_server: RawServerFactory) -> None:
    site = Site(raw_server, numbered)
    told = artillery(
        f"""\
        config:
          target: {site.url}
          phases: [{{duration: 1, arrivalCount: 3}}]
          plugins: {{fake-data: {{randNumber: {{min: 10, max: 12}}}}}}
        scenarios:
          - flow:
              - post: {{url: /, json: {{mail: "{{{{ $randEmail() }}}}", n: "{{{{ $randNumber() }}}}"}}}}
        """
    )
    assert told.exit_code == 0, told.result
    bodies = [json.loads(asked.body) for asked in site.asked]
    assert len({body["mail"] for body in bodies}) == 3 and all("@" in body["mail"] for body in bodies)
    assert {"10", "11", "12"} >= {body["n"] for body in bodies}
