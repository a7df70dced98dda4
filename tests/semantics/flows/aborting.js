// Signals that workflow code passes to steps and aborts later.

import { createHook } from "workflow";
import { obeys, obeys_in_thread, obeys_twice, sees } from "../aborting_steps.py";

export async function abortController(token, gate) {
  "use workflow";
  const controller = new AbortController();
  const steps = [obeys(gate, controller.signal), obeys_in_thread(controller.signal)];
  controller.abort(await createHook({ token }));
  controller.abort("too late");
  return [controller.signal.aborted, ...await Promise.all(steps)];
}

export async function abortExpires() {
  "use workflow";
  const signal = AbortSignal.timeout(3_600_000);
  return [await obeys("expires", signal), signal.aborted];
}

export async function abortAgain(token, gate) {
  "use workflow";
  const controller = new AbortController();
  const step = obeys_twice(gate, controller.signal);
  controller.abort(await createHook({ token }));
  return await step;
}

export async function abortBefore() {
  "use workflow";
  const controller = new AbortController();
  controller.abort("before");
  return await sees(controller.signal);
}
