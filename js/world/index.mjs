// A World of the Workflow SDK over the HTTP of a Torpor server: its command line, its web UI and `workflow/api` work on
// Torpor's runs. Runs are carried on by Torpor's workers, so that there is no queue, and of events only those are written
// that start a run, cancel it, resume a hook, end a sleep or set attributes.
//
// Version 5 of the SDK has the streams in an object of their own, version 4 among the other functions.

import { randomBytes } from "node:crypto";

import { Server, worldError } from "./server.mjs";
import { makeHealth } from "./health.mjs";
import { readPythonValues } from "./python-values.mjs";
import { makeReading } from "./reading.mjs";
import { makeStreams } from "./streams.mjs";

const SPEC_VERSION = 7; // payloads may be compressed, events are numbered, and some are `noop`
const DEPLOYMENT = "torpor";
const ULID_DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const WRITTEN = new Set(["run_created", "run_cancelled", "hook_received", "wait_completed", "attr_set"]);
const CANCELLED_AT_ONCE = 20;

/**
 * Return a World over a Torpor server.
 *
 * @param {object} [options]
 * @param {string} [options.url] where the server is; `TORPOR_URL` by default, else http://127.0.0.1:8585
 * @param {string} [options.token] what it lets us in by; `TORPOR_TOKEN` by default
 */
export function createWorld({ url = process.env.TORPOR_URL, token = process.env.TORPOR_TOKEN } = {}) {
  readPythonValues();
  const server = new Server(url || "http://127.0.0.1:8585", token);
  const health = makeHealth(server, SPEC_VERSION);
  const streams = health.over(makeStreams(server));
  const reading = makeReading(server);
  const events = { ...reading.events, create: (runId, event, params) => create(server, runId, event, params) };
  return {
    specVersion: SPEC_VERSION,
    capabilities: { hookResumeDedup: true },
    async start() {},
    async close() {},
    getDeploymentId: async () => DEPLOYMENT,
    createQueueHandler: () => async () => new Response("Torpor's workers run workflows and steps", { status: 501 }),
    async queue(_name, message) {
      if (message?.__healthCheck) await health.ask(message.correlationId);
      return { messageId: null }; // whoever writes an event wakes the run
    },
    ...reading,
    runs: { ...reading.runs, cancelMany: (request) => cancelMany(events, request) },
    events,
    streams,
    writeToStream: (name, runId, chunk) => streams.write(runId, name, chunk),
    writeToStreamMulti: (name, runId, chunks) => streams.writeMulti(runId, name, chunks),
    closeStream: (name, runId) => streams.close(runId, name),
    readFromStream: async (name, startIndex) => streams.get(health.has(name) ? "" : ownerOf(name), name, startIndex),
    listStreamsByRunId: (runId) => streams.list(runId),
    getStreamChunks: (name, runId, options) => streams.getChunks(runId, name, options),
    getStreamInfo: (name, runId) => streams.getInfo(runId, name),
  };
}

export default createWorld;

/** Write an event. */
async function create(server, runId, { eventType, correlationId, eventData = {} }, params = {}) {
  if (!WRITTEN.has(eventType)) {
    throw worldError(`torpor-world: ${eventType} is written by Torpor's workers, which run workflows and steps`, {
      status: 422,
      code: "USAGE_ERROR",
    });
  }
  const id = runId ?? `wrun_${ulid()}`;
  const { input, payload, ...others } = eventData;
  const told = { ...others, input: base64(input), payload: base64(payload) };
  return server.post(["v1", "sdk", "runs", id, "events"], {
    eventType,
    correlationId,
    resumeId: params.resumeId,
    eventData: told,
  });
}

/** Cancel runs, and tell of each what became of it. */
async function cancelMany(events, { runIds, cancelReason }) {
  const results = new Array(runIds.length);
  let next = 0;
  const cancelSome = async () => {
    for (let at = next++; at < runIds.length; at = next++) results[at] = await cancel(events, runIds[at], cancelReason);
  };
  await Promise.all(Array.from({ length: CANCELLED_AT_ONCE }, cancelSome));
  const count = (outcome) => results.filter((result) => result.outcome === outcome).length;
  const summary = {
    requested: runIds.length,
    cancelled: count("cancelled"),
    alreadyCancelled: count("already_cancelled"),
    notCancellable: count("not_cancellable"),
    notFound: count("not_found"),
    failed: count("failed"),
  };
  return { summary, results };
}

async function cancel(events, runId, cancelReason) {
  try {
    await events.create(runId, { eventType: "run_cancelled", eventData: { cancelReason } });
    return { runId, outcome: "cancelled" };
  } catch (error) {
    if (error.status === 404) return { runId, outcome: "not_found" };
    if (error.status === 409) return { runId, outcome: "not_cancellable", status: "ended" };
    return { runId, outcome: "failed", code: error.code ?? "WORLD_ERROR", retryable: error.status >= 500 };
  }
}

function base64(data) {
  return data === undefined ? undefined : Buffer.from(data).toString("base64");
}

function ulid() {
  let time = Date.now();
  let text = "";
  for (let digit = 0; digit < 10; digit++, time = Math.floor(time / 32)) text = ULID_DIGITS[time % 32] + text;
  for (const byte of randomBytes(16)) text += ULID_DIGITS[byte & 31];
  return text;
}

/** Return whose stream it is, as its name says: version 4 does not say. */
function ownerOf(name) {
  const found = /^strm_([0-9A-Z]{26})_user/.exec(name);
  if (found === null) throw worldError(`torpor-world: ${name} does not say whose stream it is`, { status: 422 });
  return `wrun_${found[1]}`;
}
