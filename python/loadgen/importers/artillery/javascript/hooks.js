// Calls a processor's functions: arguments come as JSON, what they changed goes back as JSON.
//
// The variables of a user live on both sides. `known` is what the other side has: of a plain value the value
// itself, of an object its JSON. So only what differs crosses, and what JSON cannot say stays here.
(function ($host) {
  'use strict';

  const users = new Map();
  const tables = [];
  let processor = {};

  const COUNTED = new Set(['counter', 'histogram', 'summary', 'rate', 'error']);

  class Events {
    emit(kind, ...values) {
      if (kind === 'customStat') {
        $host.emit(kind, String(values[0].stat), Number(values[0].value));
      } else if (COUNTED.has(kind)) {
        const name = values[0] instanceof Error ? values[0].code || values[0].message : values[0];
        $host.emit(kind, String(name), values[1] === undefined ? 1 : Number(values[1]));
      } else {
        $host.emit('unknown', String(kind), 1);
      }
      return true;
    }
    on() { return this; }
    once() { return this; }
    off() { return this; }
    addListener() { return this; }
    removeListener() { return this; }
    removeAllListeners() { return this; }
  }
  const events = new Events();

  const ALPHABET = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789';
  const $randomNumber = (least, most) => Math.floor(Math.random() * (most - least + 1)) + least;
  const $randomString = (length = 10) => Array.from({ length }, () => ALPHABET[$randomNumber(0, ALPHABET.length - 1)]).join('');
  const funcs = { $randomNumber, $randomString };

  const isObject = (value) => typeof value === 'object' && value !== null;
  const whole = (key, value) => (typeof value === 'bigint' ? Number(value) : value);

  // What is the same for all is there, but not among what is compared and sent.
  const put = (vars, name, value) =>
    Object.defineProperty(vars, name, { value, enumerable: false, writable: true, configurable: true });

  function userOf(id, uid, scenario) {
    let user = users.get(id);
    if (user === undefined) {
      const vars = {};
      put(vars, '$processEnvironment', process.env);
      put(vars, '$env', process.env);
      put(vars, '$uuid', uid);
      const context = { vars, _uid: uid, scenario: JSON.parse(scenario), funcs: { ...funcs } };
      user = { context, known: new Map(), text: '' };
      users.set(id, user);
    }
    return user;
  }

  function learn(user, changes) {
    const vars = user.context.vars;
    const news = JSON.parse(changes);
    for (const name in news) {
      const value = news[name];
      if (isObject(value) && value.$table !== undefined) {
        put(vars, name, tables[value.$table]);
      } else {
        vars[name] = value;
        user.known.set(name, isObject(value) ? said(value) : value);
      }
    }
    user.text = textOf(vars);
  }

  // All of the variables, to see whether anything has changed; undefined where JSON cannot say them.
  function textOf(vars) {
    try {
      return JSON.stringify(vars);
    } catch {
      return undefined;
    }
  }

  // An object's JSON, marked so that no text is taken for it; the object itself where it has none.
  function said(value) {
    try {
      const text = JSON.stringify(value, whole);
      return text === undefined ? value : `\u0000${text}`;
    } catch {
      return value;
    }
  }

  function differences(user) {
    const vars = user.context.vars;
    const text = textOf(vars);
    if (text !== undefined && text === user.text) return '';
    user.text = text;
    const known = user.known;
    const changed = [];
    for (const name of Object.keys(vars)) {
      const value = vars[name];
      if (typeof value === 'function' || typeof value === 'symbol' || value === undefined) continue;
      const now = isObject(value) ? said(value) : value;
      if (Object.is(known.get(name), now)) continue;
      known.set(name, now);
      if (!isObject(value)) changed.push(`${JSON.stringify(name)}:${JSON.stringify(value, whole)}`);
      else if (typeof now === 'string') changed.push(`${JSON.stringify(name)}:${now.slice(1)}`);
    }
    const gone = [...known.keys()].filter((name) => vars[name] === undefined);
    for (const name of gone) known.delete(name);
    return `"changed":{${changed.join(',')}},"gone":${JSON.stringify(gone)}`;
  }

  // Bodies that are bytes say so.
  function portable(key, value) {
    const original = this[key];
    if (ArrayBuffer.isView(original)) {
      return { $bytes: Buffer.from(original.buffer, original.byteOffset, original.byteLength).toString('base64') };
    }
    return whole(key, value);
  }

  const messageOf = (error) => String(isObject(error) ? error.code || error.message || error : error);

  // Whatever is true enough to be an error for Artillery.
  const isFailure = Boolean;

  // One call of one function. Its answer is '' where nothing changed, null where it is still to come.
  function call(ticket, name, kind, id, uid, scenario, changes, given, response, body) {
    const user = userOf(id, uid, scenario);
    if (changes !== '') learn(user, changes);
    const context = user.context;
    const params = given === '' ? undefined : JSON.parse(given);
    const headers = params === undefined ? undefined : params.headers;
    const hook = processor[name];
    let answer = null;
    let isDone = false;
    let isReturned = false;

    function settle(error, value) {
      if (isDone) return;
      isDone = true;
      const parts = [];
      try {
        const differing = differences(user);
        if (differing !== '') parts.push(differing);
        if (params !== undefined) {
          // Those of the step go out beside what is put in their place, but not what is taken from them.
          if (params.headers !== headers) params.headers = { ...headers, ...params.headers };
          const now = ArrayBuffer.isView(params.body) ? JSON.stringify(params, portable) : JSON.stringify(params);
          if (now !== given) parts.push(`"params":${now}`);
        }
      } catch (trouble) {
        error = trouble;
      }
      if (value !== undefined) parts.push(`"value":${Boolean(value)}`);
      if (isFailure(error)) {
        parts.push(`"error":${JSON.stringify(messageOf(error))}`);
        if (error instanceof Error && error.stack) parts.push(`"stack":${JSON.stringify(error.stack)}`);
      }
      answer = parts.length === 0 ? '' : `{${parts.join(',')}}`;
      if (isReturned) $host.settle(ticket, answer);
    }

    const decide = (value) => settle(undefined, Boolean(value));
    const rejected = (error) => settle(error || new Error('rejected'));
    const values = [];
    if (kind === 'onError') values.push(Object.assign(new Error(body), { code: body }));
    if (params !== undefined) values.push(params);
    if (kind === 'afterResponse') {
      const answered = JSON.parse(response);
      answered.body = body;
      values.push(answered);
    }
    values.push(kind === 'ifTrue' ? context.vars : context);
    if (kind !== 'ifTrue' && kind !== 'whileTrue' && kind !== 'connect') values.push(events);
    try {
      if (kind === 'ifTrue') {
        decide(hook(...values));
      } else if (hook.constructor.name === 'Function' || kind === 'whileTrue' || kind === 'connect') {
        // The way Artillery tells the two styles apart; to these two it gives a callback whatever they are.
        const done = kind === 'whileTrue' ? decide : settle;
        const result = hook(...values, done);
        // One that has no parameter for the callback can only mean its promise.
        const ended = (value) => hook.length <= values.length && done(kind === 'whileTrue' ? value : undefined);
        if (result instanceof Promise) result.then(ended, rejected);
      } else {
        hook(...values).then(() => settle(), rejected);
      }
    } catch (error) {
      settle(error || new Error(`${name} threw nothing`));
    }
    isReturned = true;
    return answer;
  }

  function adopt(module) {
    const given = module !== null && module.__esModule && isObject(module.default) ? { ...module.default, ...module } : module;
    processor = given === null || given === undefined ? {} : given;
    return Object.keys(processor).filter((name) => typeof processor[name] === 'function').join('\n');
  }

  return {
    call,
    adopt,
    share: (text) => tables.push(JSON.parse(text)) - 1,
    forget: (id) => void users.delete(id),
    count: () => users.size,
  };
})
