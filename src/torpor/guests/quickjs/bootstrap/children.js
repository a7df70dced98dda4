// Child runs: starting other workflows, of any language, and the handle of a run.
//
// What is asked of another run is a step that every application has. Waiting for its end is none: that is a hook which
// watches the run, so that the waiting run is parked and holds no worker.

import { emit, forget, run as own } from "torpor:run";
import { registerClass } from "torpor:codec";
import { knownOptions } from "torpor:options";
import { takePlace } from "torpor:stacks";
import { stepsOf, withPlace } from "torpor:steps";

const { isArray } = Array;
const [startRun, resultOf, statusOf, cancelRun, sendTo] = stepsOf("torpor", ["start", "result", "status", "cancel", "send"]);

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
    this.#result ??= awaitResult(this.runId, takePlace(takePlace));
    return this.#result;
  }

  /** End the run as cancelled. Cancelling it twice is harmless; one that has ended otherwise rejects. */
  async cancel(reason = "") {
    if (typeof reason !== "string") throw new TypeError(`cancel: the reason must be a string, not ${typeof reason}`);
    return cancelRun(this.runId, reason);
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
 * Start a run of another workflow and return its handle; it lives on by itself, whatever becomes of this run.
 *
 * `workflow` is an imported workflow function, or a name: short, such as "checkout", or full. `options` may have
 * `runtime`, "snapshot" or "replay"; this run's own by default.
 */
export async function start(workflow, args = [], options) {
  if (!isArray(args)) return start(workflow, [], args);
  return startRun(nameOf(workflow), args, knownOptions("start", options, ["runtime"]));
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
  const { promise, resolve } = Promise.withResolvers();
  const n = emit("run.result()", { type: "hook", watch: runId }, ({ type }) => {
    if (type !== "hook_received") return; // its creation
    forget(n);
    emit("run.result()", { type: "hook_dispose", target: n });
    resolve();
  });
  return promise;
}
