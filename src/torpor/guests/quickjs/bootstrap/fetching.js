// `fetch`, which is a step that every application has: what it returns is recorded, and it is tried again like any step.

import { Request } from "torpor:codec-handles";
import { run } from "torpor:run";
import { stepsOf } from "torpor:steps";

const [ask] = stepsOf("torpor", ["fetch"]);

export function installFetch() {
  Object.defineProperty(globalThis, "fetch", { value: fetch, writable: true, configurable: true, enumerable: true });
}

/** Return a promise of the Response to a request; see the documentation of the web, and docs/authority.md for hosts. */
async function fetch(input, init = {}) {
  if (run.phase === "loading") throw new Error("fetch was called while the module was loaded; call it in a workflow");
  const request = new Request(input instanceof Request ? input : String(input), init ?? {});
  const { signal } = request;
  delete request.signal; // looked at here, where it is known first
  signal?.throwIfAborted();
  const answered = ask(request);
  return signal ? Promise.race([answered, aborted(signal)]) : answered;
}

function aborted(signal) {
  return new Promise((_, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}
