// crypto: random bytes, digests and HMACs. They are made by the other side.
'use strict';

const bytesOf = (data, encoding) => (typeof data === 'string' ? Buffer.from(data, encoding) : Buffer.from(data));

class Digest {
  #algorithm; #key; #data = [];

  constructor(algorithm, key) {
    this.#algorithm = String(algorithm);
    this.#key = key;
    this.#made([]);
  }
  #made(data) {
    const made = $host.digest(this.#algorithm, this.#key === undefined ? null : this.#key.toString('hex'), Buffer.concat(data).toString('hex'));
    if (made === null) throw new Error(`Invalid digest: ${this.#algorithm}`);
    return made;
  }
  update(data, encoding) {
    this.#data.push(bytesOf(data, encoding));
    return this;
  }
  digest(encoding) {
    const bytes = Buffer.from(this.#made(this.#data), 'hex');
    return encoding === undefined || encoding === 'buffer' ? bytes : bytes.toString(encoding);
  }
}

function randomBytes(size, callback) {
  const bytes = Buffer.from($host.random(size), 'hex');
  if (callback === undefined) return bytes;
  queueMicrotask(() => callback(null, bytes));
  return undefined;
}

function randomInt(least, most, callback) {
  if (most === undefined || typeof most === 'function') return randomInt(0, least, most);
  const value = least + Number(BigInt(`0x${$host.random(8)}`) % BigInt(most - least));
  if (callback === undefined) return value;
  queueMicrotask(() => callback(null, value));
  return undefined;
}

function randomUUID() {
  const bytes = randomBytes(16);
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}

const getRandomValues = (array) => {
  new Uint8Array(array.buffer, array.byteOffset, array.byteLength).set(randomBytes(array.byteLength));
  return array;
};

module.exports = {
  randomBytes, randomInt, randomUUID, getRandomValues,
  createHash: (algorithm) => new Digest(algorithm),
  createHmac: (algorithm, key) => new Digest(algorithm, bytesOf(key)),
  hash: (algorithm, data, encoding = 'hex') => new Digest(algorithm).update(data).digest(encoding),
  getHashes: () => $host.hashes().split('\n'),
  timingSafeEqual: (one, other) => Buffer.from(one).equals(Buffer.from(other)),
  webcrypto: { getRandomValues, randomUUID },
};
