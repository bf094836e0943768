"""What modules of Node's give here, against Node itself: one file of JavaScript, run by both."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from loadgen.importers.artillery.javascript.runtime import JavaScriptError, Runtime

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SCRIPT = r"""
const assert = require('assert');
const EventEmitter = require('node:events');
const fs = require('fs');
const path = require('path');
const qs = require('querystring');
const url = require('url');
const util = require('util');
const crypto = require('crypto');

console.log('%s is %d, %i, %j and %o', 'it', 3, '7.5', { a: [1] }, 'x', { b: [1, { c: { d: { e: 1 } } }] }, 50);
console.log([1, 'two', null, undefined, true, -0, 5n], new Map([[1, { a: 2 }]]), new Set(['x']), /x/g, Symbol('s'));
console.log({ 'a-b': "it's", nested: { list: [] }, f() {}, g: class K {}, date: new Date(0) });
for (const text of ['/a/../b', 'a//b/./c/..', '', './x', '/..', 'a/b/']) {
  console.log(path.normalize(text), path.dirname(text), path.basename(text), path.extname(text));
}
console.log(path.join('/a', '..', 'b', 'c.tar.gz'), path.resolve('/x', '../y'), path.relative('/a/b', '/a/c/d'));
console.log(path.parse('/home/u/file.txt'), path.format({ dir: '/d', base: 'b.c' }), path.isAbsolute('a'));
console.log(qs.stringify({ a: [1, 'x y'], b: 'ü', c: '' }), qs.parse('a=1&a=2&b=x+y&c&d=%zz'));
const spots = ['http://User:p%20w@Example.COM:80/a/../b c?x=1&y=é#frag', 'https://h:8443', 'ws://h/a?b=c d'];
for (const text of spots) {
  const { href, protocol, host, port, pathname, search, hash, origin, username } = new URL(text);
  console.log(href, protocol, host, port, pathname, search, hash, origin, username);
}
for (const text of ['../q?z', '/abs', '?only', '#h', '//other/x', 'http://full/y']) {
  console.log(new URL(text, 'http://h:81/a/b/c?old#x').href);
}
const query = new URLSearchParams('a=1&b=x+y&a=%C3%BC');
query.append('c', "it's & more");
query.set('b', '~*');
query.delete('a');
console.log(String(query), [...query.keys()], query.get('c'), query.get('no'), query.has('b'));
console.log(url.parse('http://u:p@h.de:1/p/q?r=1#s').pathname, url.parse('/p?r=1&r=2', true).query.r);
for (const encoding of ['utf8', 'hex', 'base64', 'base64url', 'latin1']) {
  console.log(encoding, Buffer.from('Grüße, 🎉 ??>', 'utf8').toString(encoding));
}
console.log(Buffer.from('fo8', 'base64').toString('hex'), Buffer.concat([Buffer.from('a'), Buffer.alloc(2)]).length);
console.log(JSON.stringify(Buffer.from([1, 255])), Buffer.byteLength('ü'), Buffer.from('ab').equals(Buffer.from('ab')));
console.log(Buffer.from([0xff, 0xc3, 0x28, 0xe2, 0x82]).toString(), Buffer.from('0102zz', 'hex').length);
console.log(btoa('héllo'), atob('aGk='), new TextDecoder().decode(new TextEncoder().encode('🎉ü')));
for (const name of ['md5', 'sha1', 'sha256', 'sha512']) {
  console.log(crypto.createHash(name).update('a').update('bc').digest('hex'));
  console.log(crypto.createHmac(name, 'key').update(Buffer.from('data')).digest('base64'));
}
console.log(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab]/.test(crypto.randomUUID()), crypto.randomBytes(5).length);
for (const check of [() => assert.equal(1, '1'), () => assert.strictEqual(1, '1'), () => assert(0, 'zero'),
  () => assert.deepStrictEqual({ a: [1] }, { a: [1] }), () => assert.throws(() => { throw new TypeError('x'); }, TypeError),
  () => assert.throws(() => {})]) {
  try {
    console.log(check());
  } catch (error) {
    console.log(error.name, error.code);
  }
}
const emitter = new EventEmitter();
emitter.once('a', (value) => console.log('once', value)).on('a', (value) => console.log('on', value));
console.log(emitter.emit('a', 1), emitter.emit('a', 2), emitter.emit('b'), emitter.listenerCount('a'));
console.log(require('./data.json').list, fs.readFileSync(__dirname + '/data.json', 'utf8').length, fs.existsSync('/no/such'));
try {
  fs.readFileSync('/no/such');
} catch (error) {
  console.log(error.code);
}
console.log(structuredClone({ a: new Date(0), b: [1, { c: 2 }] }), util.isDeepStrictEqual([1], [1]), typeof performance.now());
const later = util.promisify((value, callback) => callback(null, value * 2));
later(4).then((value) => console.log('promised', value));
queueMicrotask(() => console.log('job'));
"""


def test_node_says_the_same(tmp_path: Path, counterpart: Callable[[str], Path], capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "data.json").write_text('{"list": [1, 2, {"ü": null}]}')
    file = tmp_path / "all.js"
    file.write_text(SCRIPT)
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
console.log(read === fs.readFileSync, one, deux, second(), all.one, late.two, import.meta.url.slice(0, 8), c, e, rest);
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
            {"m.mjs": "export default 1", "c.cjs": "module.exports = 'c'", "s/deep.js": "module.exports = 'd'"},
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
