// Globals that authors expect from other hosts and that a durable run cannot have: calling one says what to use, and the
// engine's own error about a name that is not there says so too.

const SLEEP = 'await sleep(…) from "workflow", which survives restarts';
const STEP = "a step: it runs outside the workflow, is retried, and its result is recorded";

const INSTEAD = {
  setTimeout: SLEEP,
  setInterval: `a loop around ${SLEEP}`,
  setImmediate: "queueMicrotask, or await Promise.resolve()",
  clearTimeout: `Promise.race with ${SLEEP}`,
  clearInterval: `a loop around ${SLEEP}, which ends by itself`,
  clearImmediate: "a condition in what queueMicrotask calls",
};

const NAMES = {
  __proto__: null,
  Atomics: "plain variables: nothing runs at the same time",
  BroadcastChannel: STEP,
  Buffer: "Uint8Array, TextEncoder, TextDecoder, btoa, or Uint8Array.fromBase64",
  FormData: "URLSearchParams, or a step",
  File: "Blob",
  Intl: "toLocaleString for en-US, or a step: workflow code has no locale data",
  MessageChannel: "promises",
  WebAssembly: STEP,
  WebSocket: STEP,
  XMLHttpRequest: STEP,
  __dirname: "import.meta.url",
  __filename: "import.meta.url",
  exports: "export",
  global: "globalThis",
  module: "export",
  process: "arguments of the workflow, or a step: workflow code has no environment",
  require: "import",
  window: "globalThis",
};
const NOT_DEFINED = /^'?([\w$]+)'? is not defined$/;

export function installAbsences() {
  for (const [name, advice] of Object.entries(INSTEAD)) {
    const value = () => {
      throw new ReferenceError(`${name} is not available in workflow code; use ${advice}`);
    };
    Object.defineProperty(value, "name", { value: name });
    Object.defineProperty(globalThis, name, { value, writable: true, configurable: true });
  }
}

/** Add to the engine's error about an absent global what to use instead. */
export function adviseOnAbsence(error) {
  if (!(error instanceof ReferenceError)) return;
  const [, name] = NOT_DEFINED.exec(error.message) ?? [];
  const advice = name === undefined ? undefined : NAMES[name];
  if (advice !== undefined) error.message = `${name} is not defined; in workflow code use ${advice}`;
}
