// What a step may ask of Torpor beside what the Workflow SDK has. Outside of steps, and elsewhere than under Torpor, these
// do nothing, so that a project that uses them runs everywhere.

const CONTEXT = Symbol.for("WORKFLOW_STEP_CONTEXT_STORAGE");
const NEVER = new AbortController().signal;

function here() {
  return globalThis[CONTEXT]?.getStore()?.torpor;
}

/**
 * Tell that the step that runs here is alive, and how far it is.
 *
 * @param {unknown} [progress] anything that JSON has; the next attempt has it as `progress()`.
 */
export function heartbeat(progress) {
  here()?.heartbeat(progress);
}

/**
 * Return what earlier attempts of this step have told of their progress, null for nothing.
 *
 * @returns {unknown}
 */
export function progress() {
  return here()?.progress ?? null;
}

/**
 * Return a signal that aborts when nobody wants the result of this attempt any more.
 *
 * @returns {AbortSignal}
 */
export function cancelled() {
  return here()?.signal ?? NEVER;
}

/**
 * Return a step of another language, for workflow code to call.
 *
 * @template {(...args: any[]) => Promise<unknown>} Step
 * @param {string} name its full name, such as "step//./app.py//charge", written out
 * @returns {Step}
 */
export function stepOf(name) {
  return globalThis[Symbol.for("WORKFLOW_USE_STEP")](name);
}
