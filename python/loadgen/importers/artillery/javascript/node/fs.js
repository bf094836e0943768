// fs: whole files, read and written. Paths that are not absolute begin where loadgen was started, as in Node.
'use strict';

function asked(operation, path, text = '') {
  const found = JSON.parse($host.files(operation, path instanceof URL ? decodeURIComponent(path.pathname) : String(path), text));
  if (found.error !== undefined) throw Object.assign(new Error(found.error), { code: found.code, path: String(path) });
  return found.value;
}

const encodingOf = (options) => (typeof options === 'string' ? options : options && options.encoding) || null;
const inHex = (data, options) => (typeof data === 'string' ? Buffer.from(data, encodingOf(options) || 'utf8') : Buffer.from(data)).toString('hex');

function readFileSync(path, options) {
  const encoding = encodingOf(options);
  if (encoding !== null && /^utf-?8$/i.test(encoding)) return asked('text', path);
  const bytes = Buffer.from(asked('bytes', path), 'hex');
  return encoding === null ? bytes : bytes.toString(encoding);
}

const writeFileSync = (path, data, options) => void asked(options && options.flag === 'a' ? 'append' : 'write', path, inHex(data, options));
const appendFileSync = (path, data, options) => void asked('append', path, inHex(data, options));
const readdirSync = (path) => asked('list', path);
const existsSync = (path) => asked('exists', path);
const mkdirSync = (path) => void asked('make', path);
const unlinkSync = (path) => void asked('remove', path);
const accessSync = (path) => void asked('size', path);
const statSync = (path) => {
  const { size, isFolder } = asked('size', path);
  return { size, isFile: () => !isFolder, isDirectory: () => isFolder };
};

const promised = (work) => async (...values) => work(...values);
const called = (work) => (...values) => {
  const callback = values.pop();
  promised(work)(...values).then((value) => callback(null, value), callback);
};

const sync = { readFile: readFileSync, writeFile: writeFileSync, appendFile: appendFileSync, readdir: readdirSync,
  mkdir: mkdirSync, unlink: unlinkSync, access: accessSync, stat: statSync };
const each = (wrap) => Object.fromEntries(Object.entries(sync).map(([name, work]) => [name, wrap(work)]));

module.exports = { readFileSync, writeFileSync, appendFileSync, readdirSync, existsSync, mkdirSync, unlinkSync, accessSync, statSync,
  ...each(called), constants: { R_OK: 4, W_OK: 2, F_OK: 0 }, promises: each(promised) };
