// Finds out which line of module scope reads the clock or draws entropy.
//
// A program that does so cannot share its image between runs. The host notices clock and entropy itself, as calls of
// WASI; it then loads the program a second time with `trace` to learn the place.

import { run } from "torpor:run";
import { callerPlace } from "torpor:stacks";

let place = null;

/** Remember the author's `file:line` of the first impure call while modules are loaded. */
export function noteImpurity() {
  if (run.phase === "loading") place ??= callerPlace() ?? "unknown place";
}

export function impurePlace() {
  return place;
}

/** Wrap clock and entropy so that a use is noted; they behave as before. */
export function traceImpurity() {
  globalThis.Date = tracedDate(Date);
  globalThis.crypto = Object.create(crypto, {
    getRandomValues: traced(crypto, "getRandomValues"),
    randomUUID: traced(crypto, "randomUUID"),
  });
}

function tracedDate(original) {
  Object.defineProperty(original, "now", traced(original, "now"));
  const proxy = new Proxy(original, {
    apply(target) {
      noteImpurity();
      return target();
    },
    construct(target, args, newTarget) {
      if (args.length === 0) noteImpurity();
      return Reflect.construct(target, args, newTarget === proxy ? target : newTarget);
    },
  });
  return proxy;
}

function traced(object, name) {
  const original = object[name];
  const value = (...args) => {
    noteImpurity();
    return original.apply(object, args);
  };
  return { value, writable: true, configurable: true };
}
