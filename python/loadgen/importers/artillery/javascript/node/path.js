// path, of POSIX.
'use strict';

function normalize(path) {
  const isAbsolute = path.startsWith('/');
  const kept = [];
  for (const part of path.split('/')) {
    if (part === '' || part === '.') continue;
    if (part !== '..') kept.push(part);
    else if (kept.length > 0 && kept[kept.length - 1] !== '..') kept.pop();
    else if (!isAbsolute) kept.push('..');
  }
  const text = kept.join('/') + (path.endsWith('/') && kept.length > 0 ? '/' : '');
  return isAbsolute ? `/${text}` : text || '.';
}

const join = (...parts) => normalize(parts.filter((part) => part !== '').join('/') || '.');

function resolve(...parts) {
  let path = '';
  for (const part of [process.cwd(), ...parts]) path = part.startsWith('/') ? part : part === '' ? path : `${path}/${part}`;
  const found = normalize(path);
  return found.length > 1 && found.endsWith('/') ? found.slice(0, -1) : found;
}

function dirname(path) {
  const bare = path.replace(/(?!^)\/+$/, '');
  const at = bare.lastIndexOf('/');
  return at < 0 ? '.' : at === 0 ? '/' : bare.slice(0, at);
}

function basename(path, suffix = '') {
  const name = path.replace(/\/+$/, '').split('/').pop();
  return suffix !== '' && name !== suffix && name.endsWith(suffix) ? name.slice(0, -suffix.length) : name;
}

function extname(path) {
  const name = basename(path);
  const at = name.lastIndexOf('.');
  return at <= 0 || name === '..' ? '' : name.slice(at);
}

function relative(from, to) {
  const [one, other] = [resolve(from), resolve(to)].map((path) => path.split('/').filter((part) => part !== ''));
  let same = 0;
  while (same < one.length && same < other.length && one[same] === other[same]) same++;
  return [...Array(one.length - same).fill('..'), ...other.slice(same)].join('/');
}

const parse = (path) => {
  const base = basename(path);
  const ext = extname(path);
  const dir = path.includes('/') ? dirname(path) : '';
  return { root: path.startsWith('/') ? '/' : '', dir, base, ext, name: ext === '' ? base : base.slice(0, -ext.length) };
};
const format = ({ dir = '', root = '', base, name = '', ext = '' }) => {
  const file = base || name + ext;
  return dir === '' ? root + file : dir === root ? dir + file : `${dir}/${file}`;
};

module.exports = {
  normalize, join, resolve, dirname, basename, extname, relative, parse, format,
  isAbsolute: (path) => path.startsWith('/'),
  sep: '/',
  delimiter: ':',
};
module.exports.posix = module.exports;
