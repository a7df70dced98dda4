// Hooks: places where the outside world hands payloads to a run.

import { refusal } from "torpor:cancelling";
import { awaitAnswer, emit, forget } from "torpor:run";
import { parse, stringify, HookConflictError } from "torpor:codec";
import { branded } from "torpor:codec-errors";
import { knownOptions } from "torpor:options";
import { resumeHook, Run } from "torpor:children";
import { milliseconds } from "torpor:duration";
import { checker } from "torpor:schemas";

const TOKEN_CHARS_MAX = 256;
const TOKEN_BYTES = 18; // 144 random bits, 24 url-safe characters
const RETENTION_MAX = 30 * 86_400_000;
const ENDED = { done: true, value: undefined };

/**
 * A live hook. Await it for the next payload, iterate it for all; payloads keep their order of arrival.
 *
 * After `dispose()` its token is free, iteration ends, and an await that is pending or made later rejects with an
 * error named `HookDisposedError`, because there will never be a payload. When the token belongs to another hook,
 * awaiting and iterating throw HookConflictError.
 */
export class Hook {
  #op;
  #state = "asked"; // asked → live → disposed, or asked → conflict
  #answered = Promise.withResolvers();
  #isAnswered = false;
  #conflict = null; // owner of the token
  #payloads = []; // codec texts that nothing has taken yet
  #takers = []; // who waits for a payload

  #check; // what makes of a payload what it is to be; none when it may be anything

  constructor(token, metadata, retention, check, fields) {
    this.#beCalled(token);
    this.#check = check;
    const op = { type: "hook", name: token, ...fields };
    if (metadata !== undefined) op.input = encode(token, metadata);
    if (retention > 0) op.retention_ms = retention;
    const interrupt = (error) => this.#interrupt(error);
    this.#op = emit("createHook", op, (delivery) => this.#receive(delivery), interrupt);
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

  #beCalled(token) {
    Object.defineProperty(this, "token", { value: token, enumerable: true, configurable: true });
  }

  #receive(delivery) {
    if (delivery.type === "hook_received") this.#accept(delivery.value);
    else if (delivery.type === "hook_renamed") this.#beCalled(delivery.token); // the run is a fork
    else this.#answer(delivery);
  }

  #answer({ type, owner }) {
    this.#isAnswered = true;
    if (type === "hook_conflict") {
      this.#conflict = owner;
      if (this.#state === "asked") this.#state = "conflict";
      for (const taker of this.#takers.splice(0)) taker.reject(branded(HookConflictError, this.token, owner));
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
    else this.#settle(taker, payload);
  }

  #settle(taker, payload) {
    try {
      const value = parse(payload);
      const fitting = this.#check === undefined ? value : this.#check(value, `hook ${this.token}`);
      taker.resolve(fitting instanceof Promise ? fitting.then(given) : given(fitting));
    } catch (error) {
      taker.reject(error);
    }
  }

  #take() {
    const taker = Promise.withResolvers();
    const refused = refusal();
    if (refused !== undefined) taker.reject(refused);
    else if (this.#state === "conflict") taker.reject(branded(HookConflictError, this.token, this.#conflict));
    else if (this.#state === "disposed") taker.resolve(ENDED);
    else if (this.#payloads.length > 0) this.#settle(taker, this.#payloads.shift());
    else this.#takers.push(taker);
    return taker.promise;
  }
}

/**
 * Create a hook; `options` may have `token`, `metadata` and `minRetention`.
 *
 * Without `token` an unguessable one is made. `metadata` is stored beside the hook for whoever looks it up.
 * `minRetention`, milliseconds or a text such as "1h", is how long the token stays this run's once the hook is gone, up
 * to 30 days.
 */
export function createHook(options) {
  return makeHook(options);
}

/**
 * Define hooks whose payloads have a form: `create(options)` makes one, `resume(token, payload)` sends one a payload.
 *
 * `options` may have `schema`: a Standard Schema, such as those of Zod and Valibot, or anything with `parse`. What it
 * makes of a payload is what is sent, and received; what does not fit rejects with a TypeError, where it is sent and
 * where it is awaited.
 */
export function defineHook(options) {
  const { schema } = knownOptions("defineHook", options, ["schema"]);
  const check = checker(schema);
  return {
    create: (options) => makeHook(options, check),
    resume: async (token, payload) =>
      resumeHook(token, check === undefined ? payload : await check(payload, `hook ${token}`)),
  };
}

function makeHook(options, check) {
  const { token: given, metadata, minRetention } = knownOptions("createHook", options, [
    "token",
    "metadata",
    "minRetention",
  ]);
  return new Hook(checkedToken("createHook", given), metadata, retentionOf(minRetention), check);
}

/** Return for how many milliseconds a token stays reserved. */
export function retentionOf(minRetention) {
  const retention = minRetention === undefined ? 0 : Math.round(milliseconds(minRetention));
  if (retention >= 0 && retention <= RETENTION_MAX) return retention;
  throw new RangeError(`createHook: minRetention is ${minRetention}; a token stays reserved for 30 days at most`);
}

/** Return the token that `what` was given; without one an unguessable one is made. */
export function checkedToken(what, token = randomToken()) {
  if (typeof token !== "string") throw new TypeError(`${what}: token must be a string, not ${typeof token}`);
  if (token.length < 1 || token.length > TOKEN_CHARS_MAX) {
    throw new RangeError(`${what}: token has ${token.length} characters; 1 to ${TOKEN_CHARS_MAX} are allowed`);
  }
  return token;
}

function given(value) {
  return { done: false, value };
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
