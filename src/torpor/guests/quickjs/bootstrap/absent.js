// Globals that authors expect from other hosts and that a durable run cannot have: calling one says what to use.

const INSTEAD = {
  setTimeout: 'await sleep(…) from "workflow", which survives restarts',
  setInterval: 'a loop around await sleep(…) from "workflow", which survives restarts',
  setImmediate: "queueMicrotask, or await Promise.resolve()",
  fetch: "a step: it runs outside the workflow, is retried, and its result is recorded",
};

export function installAbsences() {
  for (const [name, advice] of Object.entries(INSTEAD)) {
    const value = () => {
      throw new ReferenceError(`${name} is not available in workflow code; use ${advice}`);
    };
    Object.defineProperty(value, "name", { value: name });
    Object.defineProperty(globalThis, name, { value, writable: true, configurable: true });
  }
}
