// The world as steps see it: what the SDK asks of its world while a step runs, asked of the Torpor worker.
//
// Version 5 of the SDK has the streams in an object of their own, version 4 among the other functions.

import { AsyncLocalStorage } from "node:async_hooks";
import { createHash, randomUUID } from "node:crypto";

const CACHES = ["cache", "stubbedCache"].map((name) => Symbol.for(`@workflow/world//${name}`));
const PROMISES = ["cachePromise", "stubbedCachePromise"].map((name) => Symbol.for(`@workflow/world//${name}`));
const DEPLOYMENT = "torpor";
const FRAME_BYTES = 4;
const ULID_CHARS = 26;
const ULID_DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const ABORT_STREAM = /_system_abort/;
const AHEAD_BYTES = 1 << 18; // that a reader asks for before it is asked
const QUIET_MS = 300;

/** The call of a step that is running here: `{ id, runId, stepId, started, streams }`. */
export const calls = new AsyncLocalStorage();

let ask; // (call's id, method, args, ...bodies) → { value, body }
let specVersion; // of worlds and runs, which the project's SDK wants to be its own

/** Say what carries questions to the worker, and be the world of this process, as a version of the SDK has it. */
export function beWorld(carry, version) {
  ask = carry;
  specVersion = version;
  // What is written is put together with what comes meanwhile on the other side: to wait for more here only takes time.
  const world = { ...general, ...ofVersion4, streams, specVersion, streamFlushIntervalMs: 0 };
  for (const key of CACHES) globalThis[key] = world;
  for (const key of PROMISES) globalThis[key] = Promise.resolve(world);
}

/** What one call of a step does with streams. */
export class CallStreams {
  #writing = 0;
  #told = [];

  async during(write) {
    this.#writing++;
    try {
      return await write();
    } finally {
      this.#writing--;
      for (const tell of this.#told.splice(0)) tell();
    }
  }

  /** Resolve when nothing was written for a while, and nothing is. */
  async quiet() {
    for (;;) {
      const changed = new Promise((resolve) => this.#told.push(() => resolve(false)));
      const still = this.#writing === 0 && (await Promise.race([changed, after(QUIET_MS)]));
      if (still) return;
      if (this.#writing > 0) await changed;
    }
  }
}

function after(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms, true));
}

async function asked(method, args, ...bodies) {
  return (await ask(calls.getStore()?.id, method, args, ...bodies)).value;
}

const general = {
  capabilities: { hookResumeDedup: false },
  createRunId: () => runIdOf(calls.getStore()),
  getDeploymentId: async () => DEPLOYMENT,
  createQueueHandler: () => async () => new Response(null, { status: 501 }), // nothing comes by HTTP
  async queue() {
    return { messageId: null }; // whoever writes an event wakes the run
  },
  events: {
    async create(runId, { eventType, correlationId, eventData = {} }) {
      const { input, payload, ...others } = eventData;
      const data = { ...others, correlationId };
      return revived(await asked(`events.${eventType}`, { runId, data }, input ?? payload));
    },
  },
  runs: {
    async waitForTerminalStatus(runId, { timeoutMs }) {
      return { status: await asked("runs.wait", { runId, timeoutMs }) };
    },
    async get(runId) {
      const { value, body } = await ask(calls.getStore()?.id, "runs.get", { runId });
      const run = { ...revived(value), specVersion };
      if (body.length > 0) run[run.status === "failed" ? "error" : "output"] = body;
      return run;
    },
  },
  hooks: {
    async getByToken(token) {
      const { value, body } = await ask(calls.getStore()?.id, "hooks.get", { token });
      const hook = { ...revived(value), specVersion };
      return body.length > 0 ? { ...hook, metadata: body } : hook;
    },
  },
};

const streams = {
  write: (runId, name, chunk) => write(runId, name, [chunk]),
  writeMulti: write,
  async close(runId, name) {
    await writing(() => asked("streams.close", { runId, name }));
  },
  get: (runId, name, startIndex = 0) => reading(runId, name, startIndex),
  getInfo: (runId, name) => asked("streams.info", { runId, name }),
  list: (runId) => asked("streams.list", { runId }),
};

const ofVersion4 = {
  writeToStream: (name, runId, chunk) => write(runId, name, [chunk]),
  writeToStreamMulti: (name, runId, chunks) => write(runId, name, chunks),
  closeStream: (name, runId) => streams.close(runId, name),
  readFromStream: (name, startIndex = 0) => reading(runOf(name), name, startIndex),
  getStreamInfo: (name, runId) => streams.getInfo(runId, name),
  listStreamsByRunId: (runId) => streams.list(runId),
};

/** Return whose stream it is: version 4 does not say. */
function runOf(name) {
  const own = /^strm_([0-9A-Z]{26})_user/.exec(name);
  return own === null ? calls.getStore()?.runId : `wrun_${own[1]}`;
}

async function write(runId, name, chunks) {
  const bytes = (await Promise.all(chunks)).map((chunk) => (chunk instanceof Uint8Array ? chunk : Buffer.from(chunk)));
  const sizes = bytes.map(({ length }) => length);
  await writing(async () => asked("streams.write", { runId: await runId, name, sizes }, ...bytes));
}

function writing(work) {
  const call = calls.getStore();
  return call === undefined ? work() : call.streams.during(work);
}

/** Return a stream of a stream's chunks. A signal's have no frames, as the SDK writes them. */
function reading(runId, name, startIndex) {
  const id = calls.getStore()?.id;
  const framed = !ABORT_STREAM.test(name);
  let reader;
  return new ReadableStream({
    type: "bytes",
    async pull(controller) {
      reader ??= (await ask(id, "streams.open", { runId, name, startIndex })).value;
      const { value, body } = await ask(id, "streams.next", { reader });
      if (value === "done") {
        controller.close();
        controller.byobRequest?.respond(0);
        return;
      }
      controller.enqueue(framed ? body : body.slice(FRAME_BYTES));
    },
    async cancel() {
      if (reader !== undefined) await ask(id, "streams.leave", { reader });
    },
  }, { highWaterMark: framed ? AHEAD_BYTES : 0 });
}

/** Return an id for a run that a step starts: the same one at each of its attempts, so that each starts the same run. */
function runIdOf(call) {
  const source = call === undefined ? randomUUID() : `${call.stepId}//${call.started++}`;
  const bytes = createHash("sha256").update(source).digest();
  const digits = [...bytes.subarray(0, ULID_CHARS)].map((byte) => ULID_DIGITS[byte & 31]);
  digits[0] = ULID_DIGITS[bytes[0] & 7];
  return digits.join("");
}

/** Make dates of what are times. */
function revived(entity) {
  if (entity === null || typeof entity !== "object") return entity;
  return Object.fromEntries(
    Object.entries(entity).map(([key, value]) => [key, key.endsWith("At") && value !== null ? new Date(value) : value]),
  );
}
