// Steps as bundles of the Workflow SDK call them: functions with a receiver, variables that they close over, and marks by
// which they are values.

import { Run } from "torpor:children";
import { call } from "torpor:steps";

const { defineProperty, entries } = Object;
const RETURN_VALUE = /^step\/\/.*@workflow\/core\/.*\/\/Run#returnValue$/;
const NAME = /[^/#.]+$/;

/**
 * Return the function that asks for a step.
 *
 * `closure` returns what it closes over, as it is at the call. `bound` has what a step that is a value was bound to. What
 * another run returns is awaited by the SDK in a step; here it is a wait, which holds no worker.
 */
export function useStep(stepId, closure, bound = {}) {
  const { boundArgs = [], options } = bound;
  const isBound = "boundThis" in bound;
  const awaitsRun = RETURN_VALUE.test(stepId);
  const proxy = function (...given) {
    const receiver = isBound ? bound.boundThis : this;
    const args = [...boundArgs, ...given];
    return awaitsRun ? returnValueOf(receiver) : call(stepId, proxy, inputOf(receiver, args, closure, options));
  };
  const bind = (self, ...args) =>
    useStep(stepId, closure, {
      options, boundArgs: [...boundArgs, ...args], boundThis: isBound ? bound.boundThis : self,
    });
  const marks = { name: NAME.exec(stepId)?.[0] ?? stepId, stepId, bind };
  if (closure !== undefined) marks.__closureVarsFn = closure;
  if (isBound) marks.__boundThis = bound.boundThis;
  if (boundArgs.length > 0) marks.__boundArgs = boundArgs;
  if (options !== undefined) marks.__options = options;
  for (const [key, value] of entries(marks)) defineProperty(proxy, key, { value, writable: true, configurable: true });
  return proxy;
}

function inputOf(receiver, args, closure, options) {
  const input = { args };
  const closureVars = closure?.();
  if (closureVars !== undefined) input.closureVars = closureVars;
  if (receiver !== undefined && receiver !== null && receiver !== globalThis) input.thisVal = receiver;
  if (options !== undefined) input.options = options;
  return input;
}

async function returnValueOf({ runId }) {
  try {
    return await new Run(runId).result();
  } catch (error) {
    const known = /^Run(?:Failed|Cancelled|NotFound)Error$/.test(error?.name);
    if (known) defineProperty(error, "name", { value: `Workflow${error.name}`, writable: true, configurable: true });
    throw error;
  }
}
