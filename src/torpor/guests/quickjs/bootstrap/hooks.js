// Hooks: places where the outside world hands payloads to a run.

import { refusal } from "torpor:cancelling";
import { awaitAnswer, emit, forget } from "torpor:run";
import { parse, stringify, HookConflictError } from "torpor:codec";
import { knownOptions } from "torpor:options";
import { Run } from "torpor:children";

const TOKEN_CHARS_MAX = 256;
const TOKEN_BYTES = 18; // 144 random bits, 24 url-safe characters
const ENDED = { done: true, value: undefined };

/**
 * A live hook. Await it for the next payload, iterate it for all; payloads keep their order of arrival.
 *
 * After `dispose()` its token is free, iteration ends, and an await that is pending or made later rejects with an
 * error named `HookDisposedError`, because there will never be a payload. When the token belongs to another hook,
 * awaiting and iterating throw HookConflictError.
 */
class Hook {
  #op;
  #state = "asked"; // asked → live → disposed, or asked → conflict
  #answered = Promise.withResolvers();
  #isAnswered = false;
  #conflict = null; // owner of the token
  #payloads = []; // codec texts that nothing has taken yet
  #takers = []; // who waits for a payload

  constructor(token, metadata) {
    Object.defineProperty(this, "token", { value: token, enumerable: true });
    const input = metadata === undefined ? {} : { input: encode(token, metadata) };
    this.#op = emit("createHook", { type: "hook", name: token, ...input }, (delivery) => this.#receive(delivery), (error) => this.#interrupt(error));
  }

  /** Resolve with null when the token is this hook's, or with the Run that owns it. */
  async getConflict() {
    if (!this.#isAnswered) {
      awaitAnswer(+1);
      try {
        await this.#answered.promise;
      } finally {
        awaitAnswer(-1);
      }
    }
    return this.#conflict && new Run(this.#conflict);
  }

  then(fulfilled, rejected) {
    return this.#take().then(({ done, value }) => {
      if (done) throw disposedError(this.token);
      return value;
    }).then(fulfilled, rejected);
  }

  async *[Symbol.asyncIterator]() {
    for (;;) {
      const { done, value } = await this.#take();
      if (done) return;
      yield value;
    }
  }

  /** Free the token. Payloads that nothing has taken are dropped. May be called twice. */
  dispose() {
    if (this.#state === "disposed" || this.#state === "conflict") return;
    this.#state = "disposed";
    this.#payloads = [];
    emit("dispose", { type: "hook_dispose", target: this.#op });
    if (this.#isAnswered) forget(this.#op);
    for (const taker of this.#takers.splice(0)) taker.resolve(ENDED);
  }

  [Symbol.dispose]() {
    this.dispose();
  }

  async [Symbol.asyncDispose]() {
    this.dispose();
  }

  /** Let nobody wait any more, because the run is cancelled; the hook lives on. */
  #interrupt(error) {
    for (const taker of this.#takers.splice(0)) taker.reject(error);
  }

  #receive(delivery) {
    if (delivery.type === "hook_received") this.#accept(delivery.value);
    else this.#answer(delivery);
  }

  #answer({ type, owner }) {
    this.#isAnswered = true;
    if (type === "hook_conflict") {
      this.#conflict = owner;
      if (this.#state === "asked") this.#state = "conflict";
      for (const taker of this.#takers.splice(0)) taker.reject(new HookConflictError(this.token, owner));
    } else if (this.#state === "asked") {
      this.#state = "live";
    }
    if (this.#state !== "live") forget(this.#op);
    this.#answered.resolve();
  }

  #accept(payload) {
    if (this.#state === "disposed") return;
    const taker = this.#takers.shift();
    if (taker === undefined) this.#payloads.push(payload);
    else settle(taker, payload);
  }

  #take() {
    const taker = Promise.withResolvers();
    const refused = refusal();
    if (refused !== undefined) taker.reject(refused);
    else if (this.#state === "conflict") taker.reject(new HookConflictError(this.token, this.#conflict));
    else if (this.#state === "disposed") taker.resolve(ENDED);
    else if (this.#payloads.length > 0) settle(taker, this.#payloads.shift());
    else this.#takers.push(taker);
    return taker.promise;
  }
}

/**
 * Create a hook; `options` may have `token` and `metadata`.
 *
 * Without `token` an unguessable one is made. `metadata` is stored beside the hook for whoever looks it up.
 */
export function createHook(options) {
  const { token = randomToken(), metadata } = knownOptions("createHook", options, ["token", "metadata"]);
  if (typeof token !== "string") throw new TypeError(`createHook: token must be a string, not ${typeof token}`);
  if (token.length < 1 || token.length > TOKEN_CHARS_MAX) {
    throw new RangeError(`createHook: token has ${token.length} characters; 1 to ${TOKEN_CHARS_MAX} are allowed`);
  }
  return new Hook(token, metadata);
}

function settle(taker, payload) {
  try {
    taker.resolve({ done: false, value: parse(payload) });
  } catch (error) {
    taker.reject(error);
  }
}

function encode(token, metadata) {
  try {
    return stringify(metadata);
  } catch (cause) {
    throw new TypeError(`createHook: metadata of hook ${token} cannot be stored: ${cause.message}`, { cause });
  }
}

function disposedError(token) {
  const error = new Error(`hook ${token} was disposed of; it will receive nothing any more`);
  error.name = "HookDisposedError";
  return error;
}

function randomToken() {
  const bytes = crypto.getRandomValues(new Uint8Array(TOKEN_BYTES));
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_");
}
