// Child runs: starting other workflows, of any language, and the handle of a run.
//
// What is asked of another run is a step that every application has. Waiting for its end is none: that is a hook which
// watches the run, so that the waiting run is parked and holds no worker.

import { refusal } from "torpor:cancelling";
import { emit, forget, run as own } from "torpor:run";
import { checkAttributes } from "torpor:attributes";
import { dueTime, milliseconds } from "torpor:duration";
import { registerClass } from "torpor:codec";
import { knownOptions } from "torpor:options";
import { takePlace } from "torpor:stacks";
import { stepsOf, withPlace } from "torpor:steps";
import { readableOf, writableOf } from "torpor:streams";

const { isArray } = Array;
const OPTIONS = [
  "runtime", "runId", "at", "delay", "queue", "queueKey", "priority", "deadline", "attributes", "cleanup", "detached",
];
const STEPS = ["start", "result", "status", "cancel", "send", "resume"];
const [startRun, resultOf, statusOf, cancelRun, sendTo, resume] = stepsOf("torpor", STEPS);

/**
 * A run, as others see it. It may be passed to steps, other runs and back.
 *
 * Attributes: `runId`.
 */
export class Run {
  #result;

  constructor(runId) {
    if (typeof runId !== "string") throw new TypeError(`the id of a run is a string, not ${typeof runId}`);
    Object.defineProperty(this, "runId", { value: runId, enumerable: true });
  }

  /** A promise of `pending`, `running`, `completed`, `failed` or `cancelled`, as it is now. */
  get status() {
    return statusOf(this.runId);
  }

  /** The same promise as `result()` returns. */
  get returnValue() {
    return this.result();
  }

  /**
   * Wait until the run ends and return a promise of what its workflow returned.
   *
   * It rejects with an error named RunFailedError (the workflow's error is its `cause`), RunCancelledError or
   * RunNotFoundError.
   */
  result() {
    this.#result ??= awaitResult(this.runId, takePlace(takePlace)).catch((error) => {
      if (error === own.cancelled) this.#result = undefined; // what cleans up may ask again
      throw error;
    });
    return this.#result;
  }

  /** The run's default stream, to be passed to steps that read it. */
  get readable() {
    return this.getReadable();
  }

  /** One of the run's streams, to be passed to steps that read it; see `getReadable` of "workflow". */
  getReadable(options) {
    return readableOf(this.runId, options);
  }

  /** One of the run's streams, to be passed to steps that write to it; see `getWritable` of "workflow". */
  getWritable(options) {
    return writableOf(this.runId, options);
  }

  /**
   * Cancel the run: its code is told, may clean up for a while, and ends; with `{ force: true }` it ends at once.
   * Cancelling it twice is harmless; one that has ended otherwise rejects.
   */
  async cancel(reason = "", options) {
    if (typeof reason !== "string") throw new TypeError(`cancel: the reason must be a string, not ${typeof reason}`);
    const { force = false } = knownOptions("cancel", options, ["force"]);
    return force ? cancelRun(this.runId, reason, true) : cancelRun(this.runId, reason);
  }

  /** Send the run a message, once, which its code receives with `receive(name)`. Rejects when it has ended. */
  async send(name, payload) {
    return sendTo(this.runId, name, payload);
  }

  static [Symbol.for("workflow-serialize")]({ runId }) {
    return { runId };
  }

  static [Symbol.for("workflow-deserialize")]({ runId }) {
    return new Run(runId);
  }
}

registerClass("class//torpor//Run", Run);

/**
 * Start a run of another workflow and return its handle; it lives on by itself, until this run is cancelled.
 *
 * `workflow` is an imported workflow function, or a name: short, such as "checkout", or full. `options` may have
 * 
 *
 * - `runtime`: "snapshot" or "replay"; this run's own by default,
 * - `runId`: an id of your own; without one the id follows from the step that starts the run,
 * - `at` or `delay`: when it begins, a Date or ISO 8601 text, or after how long, milliseconds or a text such as "1h 30m",
 * - `queue`, `queueKey` (of whom it is there), `priority` (-100 to 100, higher first),
 * - `deadline`: when it fails if it has not ended, a Date, or a duration from its beginning,
 * - `attributes`: strings to find it by,
 * - `cleanup`: how long its code may clean up once it is cancelled, milliseconds or a text, 0 for not at all,
 * - `detached`: true for one that lives on when this run is cancelled.
 */
export async function start(workflow, args = [], options) {
  if (!isArray(args)) return start(workflow, [], args);
  return startRun(nameOf(workflow), args, beginning(knownOptions("start", options, OPTIONS)));
}

/** Return options of a start with times as epoch milliseconds, as `torpor.starting` has them. */
function beginning({ at, delay, queueKey, deadline, attributes, cleanup, ...others }) {
  if (at !== undefined && delay !== undefined) throw new TypeError("start: give `at` or `delay`, not both");
  const startsAt = at !== undefined ? moment(at) : delay !== undefined ? dueTime(delay, own.at) : 0;
  const options = { ...others };
  if (startsAt > 0) options.starts_at = startsAt;
  if (queueKey !== undefined) options.key = queueKey;
  if (deadline !== undefined) options.deadline = Math.max(1, dueTime(deadline, Math.max(own.at, startsAt)));
  if (cleanup !== undefined) options.cleanup_ms = Math.round(milliseconds(cleanup));
  if (attributes !== undefined) options.attributes = checkAttributes("start", attributes);
  return options;
}

function moment(at) {
  // The same for any now: then it is no duration.
  if (typeof at !== "number" && dueTime(at, 0) === dueTime(at, 1)) return dueTime(at, 0);
  throw new TypeError("start: `at` is a Date or ISO 8601 text with a time zone; use `delay` for a time from now on");
}

/** Deliver a payload to the live hook with this token, once, and return a promise of the handle of its run. */
export async function resumeHook(token, payload) {
  return resume(token, payload);
}

/** Return the handle of the run with this id. */
export function getRun(runId) {
  return new Run(runId);
}

function nameOf(workflow) {
  const name = typeof workflow === "function" ? workflow.workflowId : workflow;
  if (typeof name === "string") return name;
  throw new TypeError(
    'start: the first argument is no workflow; give an exported function that begins with "use workflow", or a name',
  );
}

async function awaitResult(runId, place) {
  if (runId === own.id) throw new Error("a run cannot wait for its own end");
  await ended(runId);
  try {
    return await resultOf(runId);
  } catch (error) {
    throw withPlace(error, place); // the step was called long after the author's code asked for the result
  }
}

function ended(runId) {
  const refused = refusal();
  if (refused !== undefined) return Promise.reject(refused);
  const { promise, resolve, reject } = Promise.withResolvers();
  const settle = (then, value) => {
    forget(n);
    emit("run.result()", { type: "hook_dispose", target: n });
    then(value);
  };
  const receive = ({ type }) => {
    if (type === "hook_received") settle(resolve); // else it is its creation
  };
  const n = emit("run.result()", { type: "hook", watch: runId }, receive, (error) => settle(reject, error));
  return promise;
}
