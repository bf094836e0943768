// What Node and the embedded engine must both print: test_javascript_node.py.
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
