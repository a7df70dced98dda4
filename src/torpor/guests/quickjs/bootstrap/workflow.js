// The module `workflow`: what workflow code may import.

import { refusal } from "torpor:cancelling";
import { emit, forget, run } from "torpor:run";
import { dueTime } from "torpor:duration";

export { query, state } from "torpor:queries";
export { setAttributes, setStatus } from "torpor:attributes";
export { CancelledError, cancelSignal, cleanup } from "torpor:cancelling";
export { fork, forks } from "torpor:forking";
export { createHook, defineHook } from "torpor:hooks";
export { receive } from "torpor:mailbox";
export { getRun, resumeHook, Run, start } from "torpor:children";
export { getReadable, getWritable } from "torpor:streams";
export { createWebhook } from "torpor:webhooks";
export { FatalError, HookConflictError, RetryableError } from "torpor:codec";

/**
 * Wait durably: the run is parked and holds no process while it sleeps.
 *
 * `duration` is a number of milliseconds, a text such as "1h 30m" (ms, s, m, h, d, w, y), or the moment to wake at, a
 * Date or ISO 8601 text with a time zone. A negative duration and a moment that has passed resolve at once. Throws
 * TypeError or RangeError when it is none of these.
 */
export function sleep(duration, options) {
  // Not of any second argument: [1, 2].map(sleep) gives more.
  if (typeof options === "object" && options !== null) throw new TypeError("sleep takes a duration, and no options");
  const due = dueTime(duration, run.at);
  const refused = refusal();
  if (refused !== undefined) return Promise.reject(refused);
  const { promise, resolve, reject } = Promise.withResolvers();
  const settle = (then) => (error) => {
    forget(n);
    then(error);
  };
  const n = emit("sleep", { type: "wait", due }, settle(() => resolve()), settle(reject));
  return promise;
}

/** Return the facts of the run: `workflowName`, `workflowRunId`, `workflowStartedAt` (a Date) and `url`. */
export function getWorkflowMetadata() {
  if (run.phase === "loading") {
    throw new Error("getWorkflowMetadata was called while the module was loaded; call it inside a workflow function");
  }
  return {
    workflowName: run.workflow,
    workflowRunId: run.id,
    workflowStartedAt: new Date(run.startedAt),
    url: run.url,
  };
}
