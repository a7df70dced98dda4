// Event, CustomEvent and EventTarget, for code within one run: nothing outside sends events to them.
//
// What a listener throws is written to the log; the others still hear of the event.

import { run } from "torpor:run";

const { defineProperty } = Object;
const PHASES = { NONE: 0, CAPTURING_PHASE: 1, AT_TARGET: 2, BUBBLING_PHASE: 3 };

let stateOf; // what only this module may change of an event

export class Event {
  #state = { target: null, phase: 0, stopped: false, stoppedAtOnce: false, prevented: false, trusted: false };
  #init;

  constructor(type, options = undefined) {
    if (arguments.length === 0) throw new TypeError('The "type" argument must be specified');
    if (options !== undefined && (typeof options !== "object" || options === null) && options !== null) {
      throw new TypeError('The "options" argument must be of type object.');
    }
    const { bubbles = false, cancelable = false, composed = false } = options ?? {};
    this.#init = { type: String(type), bubbles: !!bubbles, cancelable: !!cancelable, composed: !!composed };
    this.#init.timeStamp = run.at - run.startedAt;
  }

  get type() { return this.#init.type; }
  get bubbles() { return this.#init.bubbles; }
  get cancelable() { return this.#init.cancelable; }
  get composed() { return this.#init.composed; }
  get isTrusted() { return this.#state.trusted; }
  get timeStamp() { return this.#init.timeStamp; }
  get target() { return this.#state.target; }
  get srcElement() { return this.#state.target; }
  get currentTarget() { return this.#state.phase === PHASES.AT_TARGET ? this.#state.target : null; }
  get eventPhase() { return this.#state.phase; }
  get defaultPrevented() { return this.#state.prevented; }
  get returnValue() { return !this.#state.prevented; }
  get cancelBubble() { return this.#state.stopped; }
  set cancelBubble(value) { if (value) this.stopPropagation(); }

  composedPath() {
    return this.#state.phase === PHASES.AT_TARGET ? [this.#state.target] : [];
  }

  preventDefault() {
    if (this.#init.cancelable) this.#state.prevented = true;
  }

  stopPropagation() {
    this.#state.stopped = true;
  }

  stopImmediatePropagation() {
    this.#state.stopped = this.#state.stoppedAtOnce = true;
  }

  static {
    stateOf = (event) => event.#state;
  }
}

for (const [name, value] of Object.entries(PHASES)) {
  defineProperty(Event, name, { value, enumerable: true });
  defineProperty(Event.prototype, name, { value, enumerable: true });
}

export class CustomEvent extends Event {
  #detail;

  constructor(type, options = undefined) {
    if (arguments.length === 0) throw new TypeError('The "type" argument must be specified');
    super(type, options);
    this.#detail = options?.detail ?? null;
  }

  get detail() { return this.#detail; }
}

export class EventTarget {
  #listeners = new Map(); // type → [{ callback, capture, once, removed }], in order

  addEventListener(type, callback, options = undefined) {
    if (arguments.length < 2) throw new TypeError('The "type" and "listener" arguments must be specified');
    if (callback === null || callback === undefined) return;
    if (typeof callback !== "function" && typeof callback !== "object") {
      throw new TypeError('The "listener" argument must be an instance of EventListener.');
    }
    const { capture, once = false, signal } = optionsOf(options);
    if (signal?.aborted) return;
    const name = String(type);
    const listeners = this.#listeners.get(name) ?? [];
    if (listeners.some((each) => each.callback === callback && each.capture === capture)) return;
    this.#listeners.set(name, [...listeners, { callback, capture, once: !!once, removed: false }]);
    signal?.addEventListener("abort", () => this.removeEventListener(name, callback, { capture }), { once: true });
  }

  removeEventListener(type, callback, options = undefined) {
    if (arguments.length < 2) throw new TypeError('The "type" and "listener" arguments must be specified');
    const { capture } = optionsOf(options);
    const listeners = this.#listeners.get(String(type)) ?? [];
    const found = listeners.find((each) => each.callback === callback && each.capture === capture);
    if (found === undefined) return;
    found.removed = true;
    this.#listeners.set(String(type), listeners.filter((each) => each !== found));
  }

  dispatchEvent(event) {
    if (!(event instanceof Event)) throw new TypeError('The "event" argument must be an instance of Event.');
    const state = stateOf(event);
    if (state.phase !== PHASES.NONE) throw new DOMException("The event is already being dispatched", "InvalidStateError");
    dispatch(this, event, this.#listeners.get(event.type) ?? []);
    return !event.defaultPrevented;
  }
}

for (const [Type, names] of [
  [EventTarget, ["addEventListener", "removeEventListener", "dispatchEvent"]],
  [Event, ["type", "target", "currentTarget", "timeStamp", "defaultPrevented", "preventDefault", "stopImmediatePropagation"]],
]) {
  for (const name of names) defineProperty(Type.prototype, name, { enumerable: true });
}
for (const Type of [Event, CustomEvent, EventTarget]) {
  defineProperty(Type.prototype, Symbol.toStringTag, { value: Type.name, configurable: true });
}

/** Dispatch an event of our own. */
export function dispatchTrusted(target, type) {
  const event = new Event(type);
  stateOf(event).trusted = true;
  target.dispatchEvent(event);
}

/** Give a class the property `on<type>`, which is one listener. */
export function defineHandler(Type, type) {
  const handlers = new WeakMap();
  defineProperty(Type.prototype, `on${type}`, {
    get() {
      return handlers.get(this)?.given ?? null;
    },
    set(given) {
      const before = handlers.get(this);
      if (before !== undefined) this.removeEventListener(type, before.listener);
      handlers.delete(this);
      if (typeof given !== "function") return;
      const listener = (event) => given.call(this, event);
      handlers.set(this, { given, listener });
      this.addEventListener(type, listener);
    },
    enumerable: true,
    configurable: true,
  });
}

function optionsOf(options) {
  if (typeof options !== "object" || options === null) return { capture: !!options };
  const { once, signal, capture } = options;
  return { once, signal, capture: !!capture };
}

function dispatch(target, event, listeners) {
  const state = stateOf(event);
  Object.assign(state, { target, phase: PHASES.AT_TARGET });
  for (const listener of listeners) {
    if (listener.removed) continue;
    if (state.stoppedAtOnce) break;
    if (listener.once) target.removeEventListener(event.type, listener.callback, { capture: listener.capture });
    try {
      const { callback } = listener;
      if (typeof callback === "function") callback.call(target, event);
      else callback.handleEvent(event);
    } catch (error) {
      console.error("a listener of the event", event.type, "threw", error);
    }
  }
  Object.assign(state, { phase: PHASES.NONE, stopped: false, stoppedAtOnce: false });
}
