"""What modules of Node's give here, against Node itself: one file of JavaScript, run by both."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from loadgen.importers.artillery.javascript.runtime import JavaScriptError, Runtime

if TYPE_CHECKING:
    from collections.abc import Callable

AGREEMENT = Path(__file__).with_name("agreement.js")


def test_node_says_the_same(
    tmp_path: Path, counterpart: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "data.json").write_text('{"list": [1, 2, {"ü": null}]}')
    file = tmp_path / "all.js"
    file.write_text(AGREEMENT.read_text())
    node = subprocess.run(
        [counterpart("node"), file], capture_output=True, text=True, timeout=30, check=True, cwd=tmp_path
    )
    Runtime(file).load(file)
    ours = capsys.readouterr().err.splitlines()
    assert ours == node.stdout.splitlines()


MODULE = r"""
import fs, { readFileSync as read } from 'node:fs';
import * as all from './second.mjs';
import second, { one, two as deux } from './second.mjs';
export * from './second.mjs';
export { one as uno } from './second.mjs';
const pattern = /import x from 'y'/;
const text = `export const nope = ${`inner ${1 + 1} }`} import`; // import z from 'z'
export const a = { x: 1, y: [1, 2] }, b = 2
export let live = 1;
export const { c, d: [e], ...rest } = { c: 1, d: [2], g: 3 };
export async function hook() { live += 1; }
export function* steps() {}
export class Thing {}
function hidden() {}
export { hidden as shown };
export default function () {}
if (true) await hook();
const late = await import('./second.mjs');
console.log(read === fs.readFileSync, one, deux, second(), all.one, late.two);
console.log(import.meta.url.slice(0, 8), c, e, rest);
console.log(text, pattern.source, a.y.length / 2 / 1, live, Object.keys(all).sort());
"""
SECOND = "export const one = 1;\nexport const two = 2;\nexport default function named() { return 'second' }\n"


def test_node_reads_imports_and_exports_the_same(
    tmp_path: Path, counterpart: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "second.mjs").write_text(SECOND)
    file = tmp_path / "first.mjs"
    file.write_text(MODULE)
    node = subprocess.run([counterpart("node"), file], capture_output=True, text=True, timeout=30, check=True)
    exported = Runtime(file).load(file)
    assert capsys.readouterr().err.splitlines() == node.stdout.splitlines()
    assert set(exported) == {"default", "hook", "steps", "Thing", "shown"}


def test_packages_are_found_as_node_finds_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    packages = tmp_path / "node_modules"
    for name, manifest, files in [
        ("plain", {}, {"index.js": "module.exports = 'plain'"}),
        ("main", '{"main": "lib/start"}', {"lib/start.js": "exports.x = require('plain') + '!'"}),
        (
            "@scope/mapped",
            '{"exports": {".": {"import": "./m.mjs", "require": "./c.cjs"}, "./sub/*": "./s/*.js"}}',
            {
                "m.mjs": "export default 1",
                "c.cjs": "module.exports = 'c'",
                "s/deep.js": "module.exports = 'd'",
            },
        ),
        ("typed", '{"type": "module", "main": "t.js"}', {"t.js": "export const t = 't'"}),
    ]:
        folder = packages / name
        folder.mkdir(parents=True)
        if manifest:
            (folder / "package.json").write_text(str(manifest))
        for file, text in files.items():
            (folder / file).parent.mkdir(exist_ok=True)
            (folder / file).write_text(text)
    script = tmp_path / "deep" / "processor.js"
    script.parent.mkdir()
    script.write_text(
        "console.log(require('plain'), require('main').x, require('@scope/mapped'), "
        "require('@scope/mapped/sub/deep'), require('typed').t)"
    )
    Runtime(script).load(script)
    assert capsys.readouterr().err == "plain plain! c d t\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("const a = 1;\nlet b = = 3;\n", "SyntaxError: unexpected token in expression: '=' (broken.js:2"),
        ("\n\nnope();\n", "ReferenceError: nope is not defined (broken.js:3:1"),
        ("require('./inner')", "Error: inside (inner.js:2:"),
        ("const f = () => f(); f();", "Maximum call stack size exceeded"),
    ],
)
def test_a_mistake_is_told_with_its_file_and_line(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "inner.js").write_text("// a line\nthrow new Error('inside');\n")
    file = tmp_path / "broken.js"
    file.write_text(text)
    with pytest.raises(JavaScriptError) as caught:
        Runtime(file).load(file)
    assert said in str(caught.value)
