// util: how values are shown, and the wrappers around callbacks.
'use strict';

const custom = Symbol.for('nodejs.util.inspect.custom');
const WIDTH = 80;

function quote(text) {
  const mark = !text.includes("'") ? "'" : !text.includes('"') ? '"' : "'";
  return mark + text.replace(/\\/g, '\\\\').replace(/\n/g, '\\n').replaceAll(mark, mark === '"' ? '"' : `\\${mark}`) + mark;
}

function inspect(value, options = {}, depth = 0, above = []) {
  const most = options.depth === null ? Infinity : options.depth ?? 2;
  if (typeof value === 'string') return quote(value);
  if (typeof value === 'bigint') return `${value}n`;
  if (typeof value === 'function' && /^class\b/.test(Function.prototype.toString.call(value))) return `[class ${value.name || '(anonymous)'}]`;
  if (typeof value === 'function') return value.name ? `[Function: ${value.name}]` : '[Function (anonymous)]';
  if (value === null || typeof value !== 'object') return Object.is(value, -0) ? '-0' : String(value);
  if (typeof value[custom] === 'function') return String(value[custom](depth, options, inspect));
  if (value instanceof Error) return value.stack ? `${value}\n${value.stack}`.trimEnd() : `[${value}]`;
  if (value instanceof Date) return value.toISOString();
  if (value instanceof RegExp) return String(value);
  if (value instanceof Promise) return 'Promise {}';
  if (above.includes(value)) return '[Circular *1]';
  const kind = value.constructor === undefined || value.constructor === null ? '[Object: null prototype]' : value.constructor.name;
  if (depth > most) return Array.isArray(value) ? '[Array]' : `[${kind}]`;
  const inner = (one) => inspect(one, options, depth + 1, [...above, value]);
  const shown = (name) => (/^[A-Za-z_$][\w$]*$/.test(name) ? name : quote(name));
  let parts;
  let brackets = ['{', '}'];
  let prefix = kind === 'Object' ? '' : `${kind} `;
  if (Array.isArray(value) || ArrayBuffer.isView(value)) {
    parts = Array.from(value.length > 100 ? value.slice(0, 100) : value, inner);
    if (value.length > 100) parts.push(`... ${value.length - 100} more items`);
    brackets = ['[', ']'];
    prefix = Array.isArray(value) ? '' : `${kind}(${value.length}) `;
  } else if (value instanceof Map) {
    prefix = `Map(${value.size}) `;
    parts = Array.from(value, ([key, one]) => `${inner(key)} => ${inner(one)}`);
  } else if (value instanceof Set) {
    prefix = `Set(${value.size}) `;
    parts = Array.from(value, inner);
  } else {
    parts = Object.keys(value).map((name) => `${shown(name)}: ${inner(value[name])}`);
  }
  if (parts.length === 0) return prefix + brackets.join('');
  const length = parts.reduce((sum, part) => sum + part.length + 2, prefix.length + 11 + 2 * depth);
  if (length <= WIDTH && !parts.some((part) => part.includes('\n'))) {
    return `${prefix}${brackets[0]} ${parts.join(', ')} ${brackets[1]}`;
  }
  const indent = '  '.repeat(depth);
  return `${prefix}${brackets[0]}\n${parts.map((part) => `${indent}  ${part}`).join(',\n')}\n${indent}${brackets[1]}`;
}

function format(first, ...values) {
  const said = (value) => (typeof value === 'string' ? value : inspect(value));
  if (typeof first !== 'string') return [first, ...values].map(said).join(' ');
  let at = 0;
  const text = first.replace(/%[sdifjoOc%]/g, (mark) => {
    if (mark === '%%') return values.length > 0 ? '%' : mark;
    if (at >= values.length) return mark;
    const value = values[at++];
    switch (mark) {
      case '%s': return typeof value === 'string' ? value : typeof value === 'object' ? inspect(value, { depth: 0 }) : String(value);
      case '%d': return String(Number(value));
      case '%i': return String(parseInt(value, 10));
      case '%f': return String(parseFloat(value));
      case '%j': return JSON.stringify(value);
      case '%c': return '';
      default: return inspect(value, { depth: 4 });
    }
  });
  return [text, ...values.slice(at).map(said)].join(' ');
}

const promisify = (work) => (...values) =>
  new Promise((resolve, reject) => work(...values, (error, value) => (error ? reject(error) : resolve(value))));
const callbackify = (work) => (...values) => {
  const callback = values.pop();
  work(...values).then((value) => callback(null, value), callback);
};

function isDeepStrictEqual(one, other) {
  if (Object.is(one, other)) return true;
  if (typeof one !== 'object' || typeof other !== 'object' || one === null || other === null) return false;
  if (Object.getPrototypeOf(one) !== Object.getPrototypeOf(other)) return false;
  if (one instanceof Date) return one.getTime() === other.getTime();
  if (one instanceof RegExp) return String(one) === String(other);
  if (one instanceof Map || one instanceof Set) return isDeepStrictEqual([...one], [...other]);
  const names = Object.keys(one);
  return names.length === Object.keys(other).length && names.every((name) => Object.hasOwn(other, name) && isDeepStrictEqual(one[name], other[name]));
}

inspect.custom = custom;
module.exports = {
  inspect, format, promisify, callbackify, isDeepStrictEqual,
  inherits: (kind, above) => Object.setPrototypeOf(kind.prototype, above.prototype),
  deprecate: (work) => work,
  debuglog: () => () => {},
  isArray: Array.isArray,
  TextEncoder,
  TextDecoder,
  types: {
    isPromise: (value) => value instanceof Promise,
    isDate: (value) => value instanceof Date,
    isRegExp: (value) => value instanceof RegExp,
    isTypedArray: (value) => ArrayBuffer.isView(value) && !(value instanceof DataView),
  },
};
