// require, as Node has it: files beside the script, packages in node_modules, and those of Node's own that are here.
(function ($host) {
  'use strict';

  const loaded = new Map();
  const pending = [];
  let main;
  let state = '';
  let trouble;

  function own(name) {
    const module = { exports: {} };
    loaded.set(`node:${name}`, module);
    $host.ownModule(name)(module, module.exports, (other) => find('', other), $host);
    return module.exports;
  }

  function find(folder, name) {
    const known = loaded.get(`node:${name.replace(/^node:/, '')}`);
    if (known !== undefined) return known.exports;
    const found = JSON.parse($host.resolve(folder, String(name)));
    if (found.error !== undefined) {
      throw Object.assign(new Error(found.error), { code: 'MODULE_NOT_FOUND' });
    }
    return found.own === undefined ? load(found.path, found.folder) : own(found.own);
  }

  function load(path, folder) {
    const before = loaded.get(path);
    if (before !== undefined) return before.exports;
    const module = { exports: {}, id: path, filename: path, loaded: false, children: [], paths: [] };
    loaded.set(path, module);
    try {
      if (path.endsWith('.json')) {
        module.exports = JSON.parse($host.readText(path));
      } else {
        const run = $host.compile(path);
        if (typeof run === 'string') throw new SyntaxError(run);
        const require = Object.assign((name) => find(folder, name), {
          resolve: (name) => JSON.parse($host.resolve(folder, String(name))).path,
          cache: {},
          main: undefined,
        });
        const links = linksOf(folder, path);
        const ending = run.call(module.exports, module.exports, require, module, path, folder, links);
        if (ending instanceof Promise) {
          ending.catch(() => {});
          pending.push(ending);
        }
      }
    } catch (error) {
      loaded.delete(path);
      throw error;
    }
    module.loaded = true;
    return module.exports;
  }

  // What import and export come to; see modules.py.
  function linksOf(folder, path) {
    const bring = (name) => {
      const exports = find(folder, name);
      return exports !== null && exports.__esModule ? exports : { ...exports, default: exports };
    };
    return {
      bring,
      dynamic: async (name) => bring(name),
      meta: { url: `file://${path}`, filename: path, dirname: folder },
      give: (exports, getters) => {
        Object.defineProperty(exports, '__esModule', { value: true });
        for (const name of Object.keys(getters)) {
          Object.defineProperty(exports, name, { get: getters[name], enumerable: true, configurable: true });
        }
      },
      giveAll: (exports, from) => {
        for (const name of Object.keys(from)) {
          if (name === 'default' || name in exports) continue;
          Object.defineProperty(exports, name, { get: () => from[name], enumerable: true, configurable: true });
        }
      },
    };
  }

  // Modules may await at their top: loading is over when the jobs between these two are done.
  function begin(path, folder) {
    main = load(path, folder);
    state = 'pending';
    const failed = (error) => {
      state = 'failed';
      trouble = error;
    };
    Promise.all(pending.splice(0)).then(() => { state = 'loaded'; }, failed);
  }

  function end() {
    if (state === 'failed') throw trouble;
    if (state === 'pending') throw new Error('its top-level await waits for a timer, and none comes while it is loaded');
    return main;
  }

  return { begin, end, own: (name) => find('', name) };
})
