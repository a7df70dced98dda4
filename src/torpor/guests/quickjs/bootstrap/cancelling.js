// Cancellation of the run: what workflow code awaits rejects with CancelledError, code may clean up, and the run ends.
//
// The request is delivered like any event. What the code waits for then rejects, and so does what it asks for later, but
// for what cleans up: code inside `catch` and `finally`, the functions that it calls, and `cleanup(…)`. So code that
// swallows the error and goes on meets it again at the next step, sleep or hook that it asks for.
//
// JavaScript does not tell code whether it runs in a `finally`, but its stack does: the host knows where such blocks are.
// A stack ends at the last `await`, so functions that a block has called are remembered by their names.

import { parse } from "torpor:codec";
import { deliverCancellation, isShielded, run, shield } from "torpor:run";
import { framesOfPlace, takePlace } from "torpor:stacks";
import { AbortController } from "torpor:web-abort";

/** What workflow code meets once its run is cancelled; its message is the reason. */
export class CancelledError extends Error {
  static is(error) {
    return error?.name === "CancelledError";
  }
}
Object.defineProperty(CancelledError.prototype, "name", { value: "CancelledError", writable: true, configurable: true });

let blocks = {}; // module → [[line, column, line, column], …] of what stands in `catch` and `finally`
const helpers = new Set(); // functions that such blocks have called, by module and name
let controller; // of the signal that code may ask for

/** Take where the blocks of the program's modules are. */
export function setCleanupBlocks(given = {}) {
  blocks = given;
}

/** Reject what the code waits for. */
export function cancelRun({ at, value }) {
  run.at = Math.max(run.at, at);
  if (run.phase !== "running" || run.cancelled !== null) return;
  run.cancelled = new CancelledError(parse(value) || "the run was cancelled");
  controller?.abort(run.cancelled);
  deliverCancellation(run.cancelled);
}

/** Return the error for code that asks for something and may not, undefined when it may. */
export function refusal() {
  if (run.cancelled === null || isShielded() || cleansUp()) return undefined;
  return run.cancelled;
}

/**
 * Run `work`, which may be async, and return a promise of what it returns: a cancellation neither interrupts it nor
 * keeps it from asking for steps and waiting, within the limits of the run.
 */
export async function cleanup(work) {
  if (typeof work !== "function") throw new TypeError("cleanup: give a function that does the cleaning up");
  shield(+1);
  try {
    return await work();
  } finally {
    shield(-1);
  }
}

/** Return the AbortSignal that aborts when the run is cancelled; its reason is the CancelledError. */
export function cancelSignal() {
  if (controller === undefined) {
    controller = new AbortController();
    if (run.cancelled !== null) controller.abort(run.cancelled);
  }
  return controller.signal;
}

function cleansUp() {
  const frames = framesOfPlace(takePlace(refusal));
  const at = frames.findLastIndex((frame) => isInBlock(frame) || helpers.has(nameOf(frame)));
  if (at < 0) return false;
  for (const frame of frames.slice(0, at)) if (isAuthors(frame)) helpers.add(nameOf(frame));
  return true;
}

function isInBlock({ file, line, column }) {
  return blocks[file]?.some(([line1, column1, line2, column2]) => {
    return (line > line1 || (line === line1 && column >= column1)) && (line < line2 || (line === line2 && column < column2));
  });
}

function isAuthors({ file, name }) {
  return file !== null && name !== "<anonymous>" && file !== "workflow" && !file.startsWith("torpor:");
}

function nameOf({ file, name }) {
  return `${file}\n${name}`;
}
