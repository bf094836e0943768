// assert: what fails throws an AssertionError.
'use strict';

const { inspect, isDeepStrictEqual } = require('util');

class AssertionError extends Error {
  constructor({ message, actual, expected, operator }) {
    super(message);
    Object.assign(this, { name: 'AssertionError', code: 'ERR_ASSERTION', actual, expected, operator });
  }
}

function demand(holds, message, actual, expected, operator, text) {
  if (holds) return;
  if (message instanceof Error) throw message;
  throw new AssertionError({ message: message === undefined ? text() : String(message), actual, expected, operator });
}

const compared = (operator, holds) => (actual, expected, message) =>
  demand(holds(actual, expected), message, actual, expected, operator, () => `${inspect(actual)} ${operator} ${inspect(expected)}`);

const equal = (one, other) => one == other || (one !== one && other !== other);

function looselyDeep(one, other) {
  if (equal(one, other)) return true;
  if (typeof one !== 'object' || typeof other !== 'object' || one === null || other === null) return false;
  if (one instanceof Date || one instanceof RegExp || one instanceof Map || one instanceof Set) return isDeepStrictEqual(one, other);
  const names = Object.keys(one);
  return names.length === Object.keys(other).length && names.every((name) => Object.hasOwn(other, name) && looselyDeep(one[name], other[name]));
}

const isExpected = (error, expected) =>
  expected === undefined || typeof expected === 'string' ? true
  : expected instanceof RegExp ? expected.test(String(error))
  : typeof expected === 'function' ? (expected.prototype !== undefined && error instanceof expected) || expected === Error || expected(error) === true
  : Object.keys(expected).every((name) => (expected[name] instanceof RegExp ? expected[name].test(String(error[name])) : isDeepStrictEqual(error[name], expected[name])));

function thrown(work) {
  try {
    work();
  } catch (error) {
    return [error];
  }
  return [];
}

const ok = (value, message) => demand(value, message, value, true, '==', () => `${inspect(value)} is not true`);
const assert = (value, message) => ok(value, message);

module.exports = Object.assign(assert, {
  ok,
  AssertionError,
  equal: compared('==', equal),
  notEqual: compared('!=', (one, other) => !equal(one, other)),
  strictEqual: compared('===', Object.is),
  notStrictEqual: compared('!==', (one, other) => !Object.is(one, other)),
  deepEqual: compared('deepEqual', looselyDeep),
  notDeepEqual: compared('notDeepEqual', (one, other) => !looselyDeep(one, other)),
  deepStrictEqual: compared('deepStrictEqual', isDeepStrictEqual),
  notDeepStrictEqual: compared('notDeepStrictEqual', (one, other) => !isDeepStrictEqual(one, other)),
  match: compared('match', (text, pattern) => pattern.test(text)),
  doesNotMatch: compared('doesNotMatch', (text, pattern) => !pattern.test(text)),
  fail: (message = 'Failed') => demand(false, message),
  ifError: (value) => demand(value === null || value === undefined, value instanceof Error ? value : undefined, value, null, 'ifError', () => `got ${inspect(value)}`),
  throws: (work, expected, message) => {
    const found = thrown(work);
    demand(found.length > 0, typeof expected === 'string' ? expected : message, undefined, expected, 'throws', () => 'Missing expected exception');
    if (!isExpected(found[0], expected)) throw found[0];
  },
  doesNotThrow: (work, message) => {
    const found = thrown(work);
    demand(found.length === 0, message, found[0], undefined, 'doesNotThrow', () => `Got unwanted exception: ${found[0]}`);
  },
  rejects: async (work, expected) => {
    const error = await Promise.resolve(typeof work === 'function' ? work() : work).then(() => [], (one) => [one]);
    demand(error.length > 0, undefined, undefined, expected, 'rejects', () => 'Missing expected rejection');
    if (!isExpected(error[0], expected)) throw error[0];
  },
});
module.exports.strict = Object.assign((value, message) => ok(value, message), module.exports, {
  equal: module.exports.strictEqual,
  notEqual: module.exports.notStrictEqual,
  deepEqual: module.exports.deepStrictEqual,
  notDeepEqual: module.exports.notDeepStrictEqual,
});
