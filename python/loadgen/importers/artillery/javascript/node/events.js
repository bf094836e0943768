// events: EventEmitter.
'use strict';

class EventEmitter {
  #listeners = new Map();

  #add(name, listener, isFirst) {
    const all = this.#listeners.get(name) || [];
    this.#listeners.set(name, isFirst ? [listener, ...all] : [...all, listener]);
    return this;
  }

  on(name, listener) { return this.#add(name, listener, false); }
  addListener(name, listener) { return this.#add(name, listener, false); }
  prependListener(name, listener) { return this.#add(name, listener, true); }
  once(name, listener) {
    const once = (...values) => {
      this.off(name, once);
      return listener.apply(this, values);
    };
    return this.#add(name, Object.assign(once, { listener }), false);
  }
  off(name, listener) {
    const all = this.#listeners.get(name) || [];
    const at = all.findLastIndex((one) => one === listener || one.listener === listener);
    this.#listeners.set(name, all.filter((_, index) => index !== at));
    return this;
  }
  removeListener(name, listener) { return this.off(name, listener); }
  removeAllListeners(name) {
    if (name === undefined) this.#listeners.clear();
    else this.#listeners.delete(name);
    return this;
  }
  emit(name, ...values) {
    const all = this.#listeners.get(name) || [];
    if (all.length === 0 && name === 'error') throw values[0] instanceof Error ? values[0] : new Error(String(values[0]));
    for (const listener of all) listener.apply(this, values);
    return all.length > 0;
  }
  listeners(name) { return (this.#listeners.get(name) || []).map((one) => one.listener || one); }
  listenerCount(name) { return (this.#listeners.get(name) || []).length; }
  eventNames() { return [...this.#listeners.keys()].filter((name) => this.listenerCount(name) > 0); }
  setMaxListeners() { return this; }
}

const once = (emitter, name) =>
  new Promise((resolve, reject) => {
    const failed = (error) => (emitter.off(name, came), reject(error));
    const came = (...values) => (emitter.off('error', failed), resolve(values));
    emitter.once(name, came);
    if (name !== 'error') emitter.once('error', failed);
  });

module.exports = Object.assign(EventEmitter, { EventEmitter, once, defaultMaxListeners: 10 });
