// What Node gives every module: console, timers, process, text and its encodings. What leaves goes through $host.
(function ($host) {
  'use strict';

  const timers = new Map();
  let lastTimer = 0;

  function schedule(callback, delay, values, repeats) {
    if (typeof callback !== 'function') throw new TypeError('The "callback" argument must be of type function');
    const number = ++lastTimer;
    const milliseconds = Math.max(1, Number(delay) || 0);
    timers.set(number, { callback, values, repeats, milliseconds });
    $host.timer(number, milliseconds);
    return new Timer(number);
  }

  class Timer {
    constructor(number) { this.number = number; }
    ref() { return this; }
    unref() { return this; }
    hasRef() { return true; }
    [Symbol.toPrimitive]() { return this.number; }
  }

  function clear(timer) {
    const number = timer instanceof Timer ? timer.number : Number(timer);
    if (timers.delete(number)) $host.clear(number);
  }

  globalThis.setTimeout = (callback, delay, ...values) => schedule(callback, delay, values, false);
  globalThis.setInterval = (callback, delay, ...values) => schedule(callback, delay, values, true);
  globalThis.setImmediate = (callback, ...values) => schedule(callback, 0, values, false);
  globalThis.clearTimeout = globalThis.clearInterval = globalThis.clearImmediate = clear;

  globalThis.$fire = function (number) {
    const timer = timers.get(number);
    if (timer === undefined) return;
    if (timer.repeats) $host.timer(number, timer.milliseconds);
    else timers.delete(number);
    timer.callback(...timer.values);
  };

  function encode(text) {
    const bytes = [];
    for (const character of String(text)) {
      let point = character.codePointAt(0);
      if (point >= 0xd800 && point <= 0xdfff) point = 0xfffd;
      if (point < 0x80) bytes.push(point);
      else if (point < 0x800) bytes.push(0xc0 | (point >> 6), 0x80 | (point & 63));
      else if (point < 0x10000) bytes.push(0xe0 | (point >> 12), 0x80 | ((point >> 6) & 63), 0x80 | (point & 63));
      else {
        bytes.push(0xf0 | (point >> 18), 0x80 | ((point >> 12) & 63));
        bytes.push(0x80 | ((point >> 6) & 63), 0x80 | (point & 63));
      }
    }
    return Uint8Array.from(bytes);
  }

  // The least point that a sequence with so many bytes after its first may say.
  const LEAST = [0, 0x80, 0x800, 0x10000];

  function decode(bytes) {
    let text = '';
    for (let at = 0; at < bytes.length; ) {
      const first = bytes[at++];
      if (first < 0x80) {
        text += String.fromCharCode(first);
        continue;
      }
      const more = first >= 0xf0 && first < 0xf8 ? 3 : first >= 0xe0 ? 2 : first >= 0xc0 ? 1 : 0;
      let point = first & (0x3f >> more);
      let read = 0;
      while (read < more && (bytes[at] & 0xc0) === 0x80) {
        point = (point << 6) | (bytes[at++] & 63);
        read++;
      }
      const isWhole = more > 0 && first < 0xf8 && read === more && point >= LEAST[more] && point <= 0x10ffff;
      text += isWhole && (point < 0xd800 || point > 0xdfff) ? String.fromCodePoint(point) : '\ufffd';
    }
    return text;
  }

  globalThis.TextEncoder = class TextEncoder {
    get encoding() { return 'utf-8'; }
    encode(text = '') { return encode(text); }
  };
  globalThis.TextDecoder = class TextDecoder {
    get encoding() { return 'utf-8'; }
    decode(input = new Uint8Array()) {
      return decode(ArrayBuffer.isView(input) ? new Uint8Array(input.buffer, input.byteOffset, input.byteLength) : new Uint8Array(input));
    }
  };

  if (typeof structuredClone !== 'function') {
    globalThis.structuredClone = function clone(value, seen = new Map()) {
      if (value === null || typeof value !== 'object') {
        if (typeof value === 'function' || typeof value === 'symbol') throw new TypeError(`${String(value)} could not be cloned.`);
        return value;
      }
      if (seen.has(value)) return seen.get(value);
      if (value instanceof Date) return new Date(value.getTime());
      if (value instanceof RegExp) return new RegExp(value.source, value.flags);
      if (ArrayBuffer.isView(value)) return value.slice();
      const copy = Array.isArray(value) ? [] : value instanceof Map ? new Map() : value instanceof Set ? new Set() : {};
      seen.set(value, copy);
      if (value instanceof Map) for (const [key, one] of value) copy.set(clone(key, seen), clone(one, seen));
      else if (value instanceof Set) for (const one of value) copy.add(clone(one, seen));
      else for (const key of Object.keys(value)) copy[key] = clone(value[key], seen);
      return copy;
    };
  }

  const facts = JSON.parse($host.facts());
  const startedAt = Date.now();
  globalThis.global = globalThis;
  globalThis.process = {
    env: facts.env,
    argv: ['node', facts.script],
    platform: 'linux',
    arch: facts.arch,
    pid: facts.pid,
    version: 'v22.0.0',
    versions: { node: '22.0.0' },
    release: { name: 'node' },
    exitCode: undefined,
    cwd: () => facts.folder,
    uptime: () => (Date.now() - startedAt) / 1000,
    nextTick: (callback, ...values) => queueMicrotask(() => callback(...values)),
    hrtime: Object.assign(
      (since = [0, 0]) => {
        const now = performance.now() * 1e6 - (since[0] * 1e9 + since[1]);
        return [Math.floor(now / 1e9), Math.floor(now % 1e9)];
      },
      { bigint: () => BigInt(Math.floor(performance.now() * 1e6)) },
    ),
    memoryUsage: () => ({ rss: 0, heapTotal: 0, heapUsed: 0, external: 0 }),
    stdout: { write: (text) => ($host.print('log', String(text).replace(/\n$/, '')), true), isTTY: false },
    stderr: { write: (text) => ($host.print('error', String(text).replace(/\n$/, '')), true), isTTY: false },
    on() { return this; },
    once() { return this; },
    emitWarning: (text) => $host.print('warn', String(text)),
    exit: () => { throw new Error('process.exit() would end every user of this worker: call next(error) instead'); },
  };

  const counts = new Map();
  const begun = new Map();
  const print = (level) => (...values) => $host.print(level, $loader.own('util').format(...values));
  globalThis.console = {
    log: print('log'),
    info: print('log'),
    debug: print('log'),
    warn: print('warn'),
    error: print('error'),
    trace: print('error'),
    dir: (value) => $host.print('log', $loader.own('util').inspect(value)),
    table: print('log'),
    group: print('log'),
    groupEnd() {},
    assert: (holds, ...values) => holds || $host.print('error', `Assertion failed: ${$loader.own('util').format(...values)}`),
    count: (label = 'default') => {
      counts.set(label, (counts.get(label) || 0) + 1);
      $host.print('log', `${label}: ${counts.get(label)}`);
    },
    time: (label = 'default') => void begun.set(label, performance.now()),
    timeEnd: (label = 'default') =>
      $host.print('log', `${label}: ${(performance.now() - (begun.get(label) || 0)).toFixed(3)}ms`),
  };

  globalThis.Buffer = $loader.own('buffer').Buffer;
  // These are made when they are first asked for: most processors never do.
  const lazily = (name, make) =>
    Object.defineProperty(globalThis, name, {
      get: make,
      set: (value) => Object.defineProperty(globalThis, name, { value, writable: true }),
      configurable: true,
    });
  lazily('URL', () => $loader.own('url').URL);
  lazily('URLSearchParams', () => $loader.own('url').URLSearchParams);
  lazily('crypto', () => $loader.own('crypto').webcrypto);
})
