// url: URL and URLSearchParams for the schemes of the web, and the older parse.
'use strict';

const { parse: parseQuery, stringify: stringifyQuery } = require('querystring');

const PORTS = { 'http:': '80', 'https:': '443', 'ws:': '80', 'wss:': '443', 'ftp:': '21' };
const SHAPE = /^([a-z][a-z0-9+.-]*:)?(?:\/\/(?:([^:@/?#]*)(?::([^@/?#]*))?@)?(\[[^\]]*\]|[^:/?#]*)(?::(\d*))?)?([^?#]*)(\?[^#]*)?(#.*)?$/i;

const encoded = (text, kept) => encodeURI(text).replace(/%25(?=[0-9a-f]{2})/gi, '%').replace(kept, (one) => encodeURIComponent(one));
const inForm = (text) => encodeURIComponent(text).replace(/%20/g, '+').replace(/[!'()~]/g, (one) => `%${one.charCodeAt(0).toString(16).toUpperCase()}`);
const outOfForm = (text) => {
  const spaced = text.replace(/\+/g, ' ');
  try {
    return decodeURIComponent(spaced);
  } catch {
    return spaced;
  }
};

class URLSearchParams {
  #pairs = [];
  #changed = () => {};

  constructor(from = '', changed) {
    if (changed !== undefined) this.#changed = changed;
    if (typeof from === 'string') {
      for (const pair of from.replace(/^\?/, '').split('&')) {
        if (pair === '') continue;
        const at = pair.indexOf('=');
        this.#pairs.push(at < 0 ? [outOfForm(pair), ''] : [outOfForm(pair.slice(0, at)), outOfForm(pair.slice(at + 1))]);
      }
    } else {
      const pairs = typeof from[Symbol.iterator] === 'function' ? from : Object.entries(from);
      this.#pairs = Array.from(pairs, ([name, value]) => [String(name), String(value)]);
    }
  }

  #set(pairs) {
    this.#pairs = pairs;
    this.#changed();
  }
  get size() { return this.#pairs.length; }
  append(name, value) { this.#set([...this.#pairs, [String(name), String(value)]]); }
  delete(name) { this.#set(this.#pairs.filter(([one]) => one !== name)); }
  get(name) { return (this.#pairs.find(([one]) => one === name) || [null, null])[1]; }
  getAll(name) { return this.#pairs.filter(([one]) => one === name).map(([, value]) => value); }
  has(name) { return this.#pairs.some(([one]) => one === name); }
  set(name, value) {
    const first = this.#pairs.findIndex(([one]) => one === name);
    if (first < 0) return this.append(name, value);
    return this.#set(this.#pairs.filter(([one], at) => one !== name || at === first).map((pair, at) => (at === first ? [name, String(value)] : pair)));
  }
  sort() { this.#set([...this.#pairs].sort(([one], [other]) => (one < other ? -1 : one > other ? 1 : 0))); }
  forEach(work, self) { for (const [name, value] of this.#pairs) work.call(self, value, name, this); }
  *entries() { yield* this.#pairs; }
  *keys() { for (const [name] of this.#pairs) yield name; }
  *values() { for (const [, value] of this.#pairs) yield value; }
  [Symbol.iterator]() { return this.entries(); }
  toString() { return this.#pairs.map(([name, value]) => `${inForm(name)}=${inForm(value)}`).join('&'); }
}

function resolved(path, base) {
  const whole = path.startsWith('/') ? path : base.slice(0, base.lastIndexOf('/') + 1) + path;
  const kept = [];
  for (const part of whole.split('/').slice(1)) {
    if (part === '..') kept.pop();
    else if (part !== '.') kept.push(part);
  }
  return `/${kept.join('/')}${/\/\.\.?$/.test(whole) && kept.length > 0 ? '/' : ''}`;
}

class URL {
  #search = '';

  constructor(text, base) {
    const parts = SHAPE.exec(String(text).trim());
    const [, scheme, user = '', password = '', host, port = '', path, query = '', hash = ''] = parts;
    const above = scheme === undefined && base !== undefined ? new URL(base) : null;
    if (scheme === undefined && above === null) throw Object.assign(new TypeError('Invalid URL'), { code: 'ERR_INVALID_URL', input: String(text) });
    this.protocol = (scheme || above.protocol).toLowerCase();
    const isOwn = host !== undefined;
    if (above === null && this.protocol in PORTS && !host) throw Object.assign(new TypeError('Invalid URL'), { code: 'ERR_INVALID_URL', input: String(text) });
    this.username = isOwn || above === null ? user : above.username;
    this.password = isOwn || above === null ? password : above.password;
    this.hostname = isOwn ? host.toLowerCase() : above === null ? '' : above.hostname;
    this.port = (isOwn ? port : above === null ? '' : above.port).replace(new RegExp(`^${PORTS[this.protocol]}$`), '');
    const isBare = path === '' && !isOwn && above !== null;
    const whole = isBare ? above.pathname : above !== null && !isOwn ? resolved(path, above.pathname) : this.protocol in PORTS || isOwn ? resolved(path || '/', '/') : path;
    this.pathname = encoded(whole, /[?#]/g);
    this.hash = hash === '#' ? '' : hash;
    this.search = isBare && query === '' ? above.search : query;
  }

  get search() { return this.#search; }
  set search(query) {
    const bare = String(query).replace(/^\?/, '');
    this.#search = bare === '' ? '' : `?${encoded(bare, /['#]/g)}`;
    this.searchParams = new URLSearchParams(this.#search, () => {
      const now = this.searchParams.toString();
      this.#search = now === '' ? '' : `?${now}`;
    });
  }
  get host() { return this.port === '' ? this.hostname : `${this.hostname}:${this.port}`; }
  get origin() { return this.protocol in PORTS ? `${this.protocol}//${this.host}` : 'null'; }
  get href() {
    const who = this.username === '' ? '' : `${this.username}${this.password === '' ? '' : `:${this.password}`}@`;
    const authority = this.hostname !== '' || this.protocol === 'file:' ? `//${who}${this.host}` : '';
    return `${this.protocol}${authority}${this.pathname}${this.#search}${this.hash}`;
  }
  toString() { return this.href; }
  toJSON() { return this.href; }
  static canParse(text, base) {
    try {
      return new URL(text, base) !== null;
    } catch {
      return false;
    }
  }
}

function parse(text, readsQuery = false) {
  const [, protocol = null, user, password, hostname = null, port = null, pathname, search = null, hash = null] = SHAPE.exec(String(text));
  const auth = user === undefined ? null : password === undefined ? user : `${user}:${password}`;
  const query = search === null ? (readsQuery ? {} : null) : readsQuery ? parseQuery(search.slice(1)) : search.slice(1);
  return { protocol, slashes: hostname === null ? null : true, auth, host: hostname === null ? null : port === null ? hostname : `${hostname}:${port}`,
    port, hostname, hash, search, query, pathname: pathname || (hostname === null ? null : '/'), path: (pathname || '/') + (search || ''), href: String(text) };
}

function format(parts) {
  if (parts instanceof URL) return parts.href;
  const { protocol = '', auth, hostname = '', port, host = port ? `${hostname}:${port}` : hostname, pathname = '', search, query, hash = '' } = parts;
  const asked = search || (query && typeof query === 'object' ? stringifyQuery(query) : query) || '';
  const scheme = protocol && !protocol.endsWith(':') ? `${protocol}:` : protocol || '';
  return `${scheme}${host ? `//${auth ? `${auth}@` : ''}${host}` : ''}${pathname || ''}${asked ? `?${asked.replace(/^\?/, '')}` : ''}${hash || ''}`;
}

module.exports = {
  URL, URLSearchParams, parse, format,
  resolve: (from, to) => new URL(to, from).href,
  fileURLToPath: (url) => decodeURIComponent(new URL(url).pathname),
  pathToFileURL: (path) => new URL(`file://${path}`),
};
