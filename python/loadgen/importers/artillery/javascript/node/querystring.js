// querystring: with "+" for a space when read, as forms have it.
'use strict';

const escape = (text) => encodeURIComponent(text).replace(/[!'()*]/g, (one) => one);
const unescape = (text) => {
  try {
    return decodeURIComponent(text.replace(/\+/g, ' '));
  } catch {
    return text;
  }
};
const said = (value) => (['string', 'boolean', 'bigint'].includes(typeof value) || Number.isFinite(value) ? String(value) : '');

function stringify(object, separator = '&', equals = '=') {
  const pairs = [];
  for (const [name, value] of Object.entries(object || {})) {
    for (const one of Array.isArray(value) ? value : [value]) pairs.push(escape(name) + equals + escape(said(one)));
  }
  return pairs.join(separator);
}

function parse(text, separator = '&', equals = '=') {
  const found = Object.create(null);
  for (const pair of String(text).split(separator)) {
    if (pair === '') continue;
    const at = pair.indexOf(equals);
    const name = unescape(at < 0 ? pair : pair.slice(0, at));
    const value = at < 0 ? '' : unescape(pair.slice(at + equals.length));
    if (!Object.hasOwn(found, name)) found[name] = value;
    else found[name] = [].concat(found[name], value);
  }
  return found;
}

module.exports = { stringify, parse, escape, unescape, encode: stringify, decode: parse };
