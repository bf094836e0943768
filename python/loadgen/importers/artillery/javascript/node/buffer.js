// buffer: bytes, and the encodings that texts of them have.
'use strict';

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
const PLACES = new Map([...ALPHABET].map((letter, place) => [letter, place]).concat([['-', 62], ['_', 63]]));

function fromBase64(text) {
  const bytes = [];
  let bits = 0;
  let held = 0;
  for (const letter of text) {
    const place = PLACES.get(letter);
    if (letter === '=') break;
    if (place === undefined) continue;
    held = ((held << 6) | place) & 0xfffff;
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      bytes.push((held >> bits) & 255);
    }
  }
  return bytes;
}

function toBase64(bytes, isForUrls) {
  let text = '';
  for (let at = 0; at < bytes.length; at += 3) {
    const group = (bytes[at] << 16) | ((bytes[at + 1] || 0) << 8) | (bytes[at + 2] || 0);
    const letters = [18, 12, 6, 0].map((shift) => ALPHABET[(group >> shift) & 63]).join('');
    const count = Math.min(3, bytes.length - at);
    text += letters.slice(0, count + 1) + (isForUrls ? '' : '='.repeat(3 - count));
  }
  return isForUrls ? text.replaceAll('+', '-').replaceAll('/', '_') : text;
}

function bytesOf(text, encoding = 'utf8') {
  switch (encoding.toLowerCase()) {
    case 'utf8': case 'utf-8': return encoder.encode(text);
    case 'hex': return (text.match(/[0-9a-f]{2}/gi) || []).map((pair) => parseInt(pair, 16));
    case 'base64': case 'base64url': return fromBase64(text);
    case 'ascii': case 'latin1': case 'binary': return Array.from(text, (one) => one.charCodeAt(0) & 255);
    default: throw new TypeError(`Unknown encoding: ${encoding}`);
  }
}

class Buffer extends Uint8Array {
  static from(value, encoding) {
    if (typeof value === 'string') return Buffer.adopt(bytesOf(value, encoding));
    if (value instanceof ArrayBuffer) return new Buffer(value);
    if (value !== null && value.type === 'Buffer') return Buffer.adopt(value.data);
    return Buffer.adopt(value);
  }
  static adopt(values) {
    const buffer = new Buffer(values.length);
    buffer.set(values);
    return buffer;
  }
  static alloc(size, filling = 0) { return new Buffer(size).fill(typeof filling === 'string' ? filling.charCodeAt(0) : filling); }
  static allocUnsafe(size) { return new Buffer(size); }
  static isBuffer(value) { return value instanceof Buffer; }
  static isEncoding(name) {
    return ['utf8', 'utf-8', 'hex', 'base64', 'base64url', 'ascii', 'latin1', 'binary'].includes(String(name).toLowerCase());
  }
  static byteLength(value, encoding) { return typeof value === 'string' ? bytesOf(value, encoding).length : value.byteLength; }
  static concat(buffers, length = buffers.reduce((sum, one) => sum + one.length, 0)) {
    const all = new Buffer(length);
    let at = 0;
    for (const one of buffers) {
      all.set(one.subarray(0, Math.max(0, length - at)), at);
      at += one.length;
    }
    return all;
  }
  static compare(one, other) {
    for (let at = 0; at < Math.min(one.length, other.length); at++) if (one[at] !== other[at]) return one[at] < other[at] ? -1 : 1;
    return Math.sign(one.length - other.length);
  }

  toString(encoding = 'utf8', start = 0, end = this.length) {
    const bytes = this.subarray(start, end);
    switch (encoding.toLowerCase()) {
      case 'utf8': case 'utf-8': return decoder.decode(bytes);
      case 'hex': return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
      case 'base64': return toBase64(bytes, false);
      case 'base64url': return toBase64(bytes, true);
      case 'ascii': return Array.from(bytes, (byte) => String.fromCharCode(byte & 127)).join('');
      case 'latin1': case 'binary': return Array.from(bytes, (byte) => String.fromCharCode(byte)).join('');
      default: throw new TypeError(`Unknown encoding: ${encoding}`);
    }
  }
  toJSON() { return { type: 'Buffer', data: Array.from(this) }; }
  equals(other) { return Buffer.compare(this, other) === 0; }
  slice(start, end) { return this.subarray(start, end); }
  write(text, at = 0) {
    const bytes = bytesOf(text).slice(0, this.length - at);
    this.set(bytes, at);
    return bytes.length;
  }
  copy(target, at = 0, start = 0, end = this.length) {
    const part = this.subarray(start, Math.min(end, start + target.length - at));
    target.set(part, at);
    return part.length;
  }
}

const view = (buffer) => new DataView(buffer.buffer, buffer.byteOffset, buffer.byteLength);
const NUMBERS = { UInt8: [1, 'Uint8'], Int8: [1, 'Int8'], UInt16: [2, 'Uint16'], Int16: [2, 'Int16'], UInt32: [4, 'Uint32'], Int32: [4, 'Int32'],
  Float: [4, 'Float32'], Double: [8, 'Float64'], BigUInt64: [8, 'BigUint64'], BigInt64: [8, 'BigInt64'] };
for (const [name, [size, kind]] of Object.entries(NUMBERS)) {
  for (const [ending, isLittle] of size === 1 ? [['', true]] : [['LE', true], ['BE', false]]) {
    Buffer.prototype[`read${name}${ending}`] = function (at = 0) { return view(this)[`get${kind}`](at, isLittle); };
    Buffer.prototype[`write${name}${ending}`] = function (value, at = 0) {
      view(this)[`set${kind}`](at, value, isLittle);
      return at + size;
    };
  }
}

module.exports = { Buffer, atob, btoa, kMaxLength: 2 ** 31 - 1 };
