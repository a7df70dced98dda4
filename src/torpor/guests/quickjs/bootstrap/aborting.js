// Signals that are passed to steps: each has a stream of the run, which a step follows, on whatever worker it runs.
//
// What is stored of a signal is the name of its stream, and whether it has aborted already. When it aborts later, a step
// that every application has writes the reason to the stream.

import { alsoWrites } from "torpor:codec-types";
import { run } from "torpor:run";
import { stepsOf } from "torpor:steps";
import { AbortSignal } from "torpor:web-abort";

const [tell] = stepsOf("torpor", ["abort"]);
const streams = new WeakMap(); // signal → name of its stream
let passed = 0;

export function installAborting() {
  alsoWrites(AbortSignal, "AbortSignal", fieldsOf);
}

function fieldsOf(signal) {
  const { aborted, reason } = signal;
  const fields = { streamName: follow(signal), runId: run.id, hookToken: "", aborted };
  return aborted ? { ...fields, reason } : fields;
}

/** Return the name of the stream by which steps follow a signal. */
export function follow(signal) {
  const known = streams.get(signal);
  if (known !== undefined) return known;
  const name = `strm_${run.id.replace(/^wrun_/, "")}_system_abort_${++passed}`;
  streams.set(signal, name);
  // Steps of a run that is being cancelled, or has ended, are cancelled themselves.
  if (!signal.aborted) signal.addEventListener("abort", () => tell(name, signal.reason).catch(() => {}), { once: true });
  return name;
}
