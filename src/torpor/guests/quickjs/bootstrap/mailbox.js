// Messages to this run: kept by the name under which they were sent until workflow code receives them.

import { refusal } from "torpor:cancelling";
import { emit, forget, interruptWith, isShielded, leave, receiveMessagesWith, run } from "torpor:run";
import { parse } from "torpor:codec";
import { dueTime } from "torpor:duration";
import { knownOptions } from "torpor:options";
import { checker } from "torpor:schemas";

const NAME_CHARS_MAX = 256;

const mailboxes = new Map(); // name → { texts that nothing has taken yet, takers who wait for one }
let received = 0;

interruptWith((error) => {
  for (const { takers } of mailboxes.values()) {
    for (const taker of takers.filter(({ shielded }) => !shielded)) taker.giveUp(error);
  }
});

receiveMessagesWith(({ name, value }) => {
  const { texts, takers } = mailbox(name);
  const taker = takers.shift();
  if (taker === undefined) texts.push(value);
  else taker.take(value);
});

/**
 * Return a promise of the next message that was sent to this run under `name`; it waits for it if there is none.
 *
 * Messages of one name come in the order in which they were sent. `options` may have `timeout`, as `sleep` takes one,
 * after which the promise rejects with an error named `TimeoutError`, and `signal`, an AbortSignal, with whose reason it
 * rejects; both have taken no message then. A promise that lost a race without them takes the next one. With `schema`,
 * as `defineHook` takes one, a message that does not fit rejects with a TypeError; it is received all the same.
 */
export function receive(name, options) {
  const { timeout, signal, schema } = knownOptions("receive", options, ["timeout", "signal", "schema"]);
  checkName(name);
  const check = checker(schema);
  const taken = (text) => {
    received += 1;
    const value = parse(text);
    return check === undefined ? value : check(value, `message ${name}`);
  };
  const due = timeout === undefined ? undefined : dueTime(timeout, run.at);
  if (signal?.aborted) return Promise.reject(signal.reason);
  const refused = refusal();
  if (refused !== undefined) return Promise.reject(refused);
  const { texts, takers } = mailbox(name);
  if (texts.length > 0) return new Promise((resolve) => resolve(taken(texts.shift())));
  return new Promise((resolve, reject) => {
    let timer;
    const end = () => {
      if (timer !== undefined) leave(timer);
      signal?.removeEventListener("abort", abort);
    };
    const taker = {
      shielded: isShielded(),
      take(text) {
        end();
        resolve(new Promise((settle) => settle(taken(text))));
      },
      giveUp(reason) {
        takers.splice(takers.indexOf(taker), 1);
        end();
        reject(reason);
      },
    };
    const abort = () => taker.giveUp(signal.reason);
    takers.push(taker);
    signal?.addEventListener("abort", abort);
    if (due === undefined) return;
    timer = emit("receive", { type: "wait", due }, () => {
      forget(timer);
      taker.giveUp(new DOMException(`no message ${JSON.stringify(name)} came in time`, "TimeoutError"));
    });
  });
}

/**
 * Return what the host is told: how many messages were received, and in which mailboxes somebody waits for one; undefined
 * while there are no mailboxes.
 */
export function mailboxReport() {
  if (mailboxes.size === 0) return undefined;
  const waiting = [...mailboxes].filter(([, { takers }]) => takers.length > 0).map(([name]) => name);
  return { received, receiving: run.phase === "running" ? waiting : [] };
}

function mailbox(name) {
  if (!mailboxes.has(name)) mailboxes.set(name, { texts: [], takers: [] });
  return mailboxes.get(name);
}

function checkName(name) {
  if (run.phase === "loading") {
    throw new Error("receive was called while the module was loaded; call it inside a workflow function");
  }
  if (typeof name !== "string") throw new TypeError(`receive: the name must be a string, not ${typeof name}`);
  if (name.length < 1 || name.length > NAME_CHARS_MAX) {
    throw new RangeError(`receive: the name has ${name.length} characters; 1 to ${NAME_CHARS_MAX} are allowed`);
  }
}
