// AbortController and AbortSignal, for code within one run. `AbortSignal.timeout` is a durable timer.

import { emit, forget, run } from "torpor:run";
import { defineHandler, dispatchTrusted, EventTarget } from "torpor:web-events";

const { defineProperty } = Object;
const MADE_HERE = Symbol("made by Torpor");
const TIMEOUT_MAX = 2 ** 53 - 1;

let abort; // as only a controller may

export class AbortSignal extends EventTarget {
  #aborted = false;
  #reason = undefined;
  #followers = []; // signals that were made with `any` of this one
  #sources = []; // of one that was made with `any`: signals that were not

  constructor(mark) {
    if (mark !== MADE_HERE) throw new TypeError("Illegal constructor");
    super();
  }

  get aborted() { return this.#aborted; }
  get reason() { return this.#reason; }

  throwIfAborted() {
    if (this.#aborted) throw this.#reason;
  }

  static abort(reason = new DOMException("This operation was aborted", "AbortError")) {
    const signal = new AbortSignal(MADE_HERE);
    signal.#aborted = true;
    signal.#reason = reason;
    return signal;
  }

  /** Return a signal that aborts after so many milliseconds, also if the run sleeps meanwhile. */
  static timeout(delay) {
    if (typeof delay !== "number") throw new TypeError('The "delay" argument must be of type number.');
    if (!(Number.isInteger(delay) && delay >= 0 && delay <= TIMEOUT_MAX)) {
      throw new RangeError(`The value of "delay" is out of range. It must be an integer >= 0. Received ${delay}`);
    }
    const signal = new AbortSignal(MADE_HERE);
    const n = emit("AbortSignal.timeout", { type: "wait", due: run.at + delay }, () => {
      forget(n);
      signal.#abort(new DOMException("The operation was aborted due to timeout", "TimeoutError"));
    });
    return signal;
  }

  /** Return a signal that aborts as soon as one of these does. */
  static any(signals) {
    if (typeof signals?.[Symbol.iterator] !== "function") {
      throw new TypeError('The "signals" argument must be an instance of Array.');
    }
    const given = [...signals];
    for (const each of given) {
      if (!(each instanceof AbortSignal)) throw new TypeError('The "signals" argument must be an array of AbortSignal.');
    }
    const signal = new AbortSignal(MADE_HERE);
    const aborted = given.find((each) => each.#aborted);
    if (aborted !== undefined) {
      signal.#aborted = true;
      signal.#reason = aborted.#reason;
      return signal;
    }
    signal.#sources = [...new Set(given.flatMap((each) => (each.#sources.length > 0 ? each.#sources : [each])))];
    for (const source of signal.#sources) source.#followers.push(signal);
    return signal;
  }

  #abort(reason) {
    if (this.#aborted) return;
    this.#aborted = true;
    this.#reason = reason;
    dispatchTrusted(this, "abort");
    for (const follower of this.#followers) follower.#abort(reason);
  }

  static {
    abort = (signal, reason) => signal.#abort(reason);
  }
}

defineHandler(AbortSignal, "abort");

export class AbortController {
  #signal = new AbortSignal(MADE_HERE);

  get signal() { return this.#signal; }

  abort(reason = new DOMException("This operation was aborted", "AbortError")) {
    abort(this.#signal, reason);
  }
}

for (const [Type, names] of [[AbortSignal, ["aborted", "reason", "throwIfAborted"]], [AbortController, ["signal", "abort"]]]) {
  for (const name of names) defineProperty(Type.prototype, name, { enumerable: true });
  defineProperty(Type.prototype, Symbol.toStringTag, { value: Type.name, configurable: true });
}
