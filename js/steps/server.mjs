// The way to a Torpor server: numbered messages both ways by HTTP. A message whose arrival nobody has told of is sent
// again; one that comes twice counts once.

import { setTimeout as pause } from "node:timers/promises";
import { packed, Unpacker } from "./messages.mjs";

const FIRST_PAUSE_MS = 100;
const PAUSE_MS_MAX = 5000;
const ANSWER_MS_MAX = 60_000;
const AT_ONCE_BYTES = 512 * 1024; // what lies between may take no more
const BEGIN = "/v1/step-workers";

/** The server does not know this step worker any more. */
export class OverError extends Error {}

/** The server will not take this, however often it is sent. */
export class RefusedError extends Error {}

/** This is larger than the server, or what lies between, takes. */
export class TooLargeError extends Error {}

/** Makes requests, each again until it is answered. */
export class Server {
  #url;
  #token;
  #isAway = false;

  constructor(url, token) {
    this.#url = url.replace(/\/+$/, "");
    this.#token = token;
  }

  /** Return a new session for a step worker that has these steps. Throws a RefusedError. */
  async begin(about, signal) {
    const body = JSON.stringify(about);
    const told = JSON.parse(await this.ask("POST", BEGIN, { body, type: "application/json", signal }));
    return { session: new Session(this, `${BEGIN}/${told.id}`), worker: told.worker };
  }

  /** Return the body of the answer to a request. Throws an OverError, a RefusedError or a TooLargeError. */
  async ask(method, path, { body, type, signal, ms = ANSWER_MS_MAX, isOnce = false }) {
    for (let failures = 0; ; failures++) {
      try {
        const answer = await this.#once(method, path, body, type, signal, ms);
        if (this.#isAway) console.error(`${this.#url} answers again`);
        this.#isAway = false;
        return answer;
      } catch (error) {
        signal.throwIfAborted();
        if (isOnce || [OverError, RefusedError, TooLargeError].includes(error.constructor)) throw error;
        if (!this.#isAway) console.error(`${this.#url} does not answer: ${reasonOf(error)}; trying again`);
        this.#isAway = true;
      }
      const most = Math.min(PAUSE_MS_MAX, FIRST_PAUSE_MS * 2 ** failures);
      await pause(most * (0.5 + Math.random() / 2), undefined, { signal });
    }
  }

  async #once(method, path, body, type, signal, ms) {
    const ending = new AbortController();
    const end = () => ending.abort(signal.reason);
    signal.addEventListener("abort", end, { once: true });
    const timer = setTimeout(() => ending.abort(new Error(`there was no answer within ${ms / 1000} s`)), ms);
    try {
      const headers = { authorization: `Bearer ${this.#token}`, ...(type === undefined ? {} : { "content-type": type }) };
      const answer = await fetch(this.#url + path, { method, body, headers, signal: ending.signal });
      const data = Buffer.from(await answer.arrayBuffer());
      if (!answer.ok) throw problem(answer, data, path);
      return data;
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
    }
  }
}

/** What a server has for one step worker, from when it begins until the server knows nothing of it any more. */
export class Session {
  #server;
  #path;
  #waiting = []; // messages that the server may not have
  #sent = 0;
  #sending;
  #ending = new AbortController();

  constructor(server, path) {
    this.#server = server;
    this.#path = path;
  }

  /** Give `receive(header, body)` every message that comes, until this is over: then it throws the reason. */
  async listen(receive) {
    for (let had = 0; ; ) {
      const data = await this.#ask("GET", `/messages?after=${had}`, {});
      new Unpacker().take(data, (header, body) => {
        had++;
        receive(header, body);
      });
    }
  }

  /** Send a message; `instead(error)` returns the message that goes in the place of one that is too large. */
  send(header, body, instead) {
    this.#waiting.push({ bytes: packed(header, body), instead });
    this.#sending ??= this.#sendAll().finally(() => (this.#sending = undefined));
  }

  /** Let the server claim nothing more; resolve when what runs has ended, or was given back. It is asked once. */
  async leave(ms) {
    await this.#ask("DELETE", "", { ms, isOnce: true });
  }

  /** Have nothing more to do with it. */
  end(reason) {
    this.#waiting.length = 0;
    this.#ending.abort(reason);
  }

  #ask(method, path, about) {
    return this.#server.ask(method, this.#path + path, { ...about, signal: this.#ending.signal });
  }

  async #sendAll() {
    try {
      while (this.#waiting.length > 0) await this.#sendSome();
    } catch (error) {
      this.end(error);
    }
  }

  async #sendSome(most = AT_ONCE_BYTES) {
    let bytes = 0;
    let count = 0;
    do bytes += this.#waiting[count++].bytes.length;
    while (count < this.#waiting.length && bytes + this.#waiting[count].bytes.length <= most);
    const body = Buffer.concat(this.#waiting.slice(0, count).map((message) => message.bytes));
    try {
      await this.#ask("POST", `/messages?after=${this.#sent}`, { body, type: "application/octet-stream" });
      this.#waiting.splice(0, count);
      this.#sent += count;
    } catch (error) {
      if (!(error instanceof TooLargeError)) throw error;
      if (count > 1) return this.#sendSome(0);
      const [{ instead }] = this.#waiting;
      if (instead === undefined) throw error;
      this.#waiting[0] = { bytes: packed(...instead(error)) };
    }
  }
}

function problem({ status, statusText }, data, path) {
  let told = `${status} ${statusText}`;
  try {
    told = JSON.parse(data.toString("utf8")).detail ?? told;
  } catch {
    // what lies between answers as it likes
  }
  if (status === 404 && path !== BEGIN) return new OverError(told);
  if (status === 413) return new TooLargeError(told);
  if (status >= 500 || status === 408 || status === 429) return new Error(told);
  return new RefusedError(told);
}

function reasonOf(error) {
  return error.cause?.message || error.cause?.code || error.message;
}
