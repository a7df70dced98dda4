// Step proxies: what `import { charge } from "./orders.py"` gives to workflow code.

import { refusal } from "torpor:cancelling";
import { emit, forget } from "torpor:run";
import { parse, registerClass, reviveStepsWith, stringify, FatalError } from "torpor:codec";
import { placeText, takePlace } from "torpor:stacks";
import { stepOptions } from "torpor:step-options";

/**
 * Return the proxies of one Python file's steps, in the order of `names`.
 *
 * `path` is relative to the project root, such as `./orders.py`; a proxy's `stepId` is `step//<path>//<name>`.
 */
export function stepsOf(path, names) {
  return names.map((name) => stepProxy({ stepId: `step//${path}//${name}` }));
}

/**
 * Return what stands for a Python class with steps: its methods by name, and a value that may be `this` of a class method.
 */
export function classOf(path, name, members) {
  const standIn = () => {
    throw new TypeError(`${name} is a class of ${path} and cannot be called here; pass a plain object in place of one of its own`);
  };
  for (const [key, value] of Object.entries(members)) {
    Object.defineProperty(standIn, key, { value, enumerable: true, configurable: true });
  }
  registerClass(`class//${path}//${name}`, standIn);
  return standIn;
}

/** Let steps that arrive as values be what imported steps are. */
export function installSteps() {
  reviveStepsWith(stepProxy);
}

/**
 * Return the function that asks for a step to be run and resolves with its result.
 *
 * It is a value that may be stored: its marks are those that the codec reads.
 */
function stepProxy({ stepId, closureVars, boundThis, boundArgs = [], options }) {
  const ask = (called, thisVal, args) => {
    const input = { args: boundArgs.length > 0 ? [...boundArgs, ...args] : args };
    if (closureVars !== undefined) input.closureVars = closureVars;
    if (thisVal !== undefined) input.thisVal = thisVal;
    if (options !== undefined) input.options = options;
    return call(stepId, called, input);
  };
  const proxy = (...args) => ask(proxy, boundThis, args);
  const marks = { name: stepId.slice(stepId.lastIndexOf("/") + 1), stepId, bind, call: callOn, apply, withOptions };
  if (closureVars !== undefined) marks.__closureVarsFn = () => closureVars;
  if (boundThis !== undefined) marks.__boundThis = boundThis;
  if (boundArgs.length > 0) marks.__boundArgs = boundArgs;
  if (options !== undefined) marks.__options = options;
  for (const [key, value] of Object.entries(marks)) Object.defineProperty(proxy, key, { value, configurable: true });
  return proxy;

  // A receiver goes along where it is named. That of `tools.charge(order)` does not: it is the place of the step.
  function receiver(thisArg) {
    return boundThis ?? thisArg ?? undefined; // as with any function, the first binding wins
  }

  function bind(thisArg, ...args) {
    return stepProxy({ stepId, closureVars, boundThis: receiver(thisArg), boundArgs: [...boundArgs, ...args], options });
  }

  function callOn(thisArg, ...args) {
    return ask(callOn, receiver(thisArg), args);
  }

  function apply(thisArg, args) {
    return ask(apply, receiver(thisArg), [...(args ?? [])]);
  }

  /** Return the step as some calls want it; see `stepOptions`. */
  function withOptions(given) {
    const wanted = { ...options, ...stepOptions(given) };
    const isAny = Object.keys(wanted).length > 0;
    return stepProxy({ stepId, closureVars, boundThis, boundArgs, options: isAny ? wanted : undefined });
  }
}

/** Ask for a step, for whom workflow code has called by `called`. */
export function call(stepId, called, given) {
  const refused = refusal();
  if (refused !== undefined) return Promise.reject(refused);
  let input;
  try {
    input = stringify(given);
  } catch (cause) {
    return Promise.reject(new FatalError(`step ${stepId} cannot be called: ${cause.message}`, { cause }));
  }
  const { promise, resolve, reject } = Promise.withResolvers();
  const place = takePlace(called);
  const receive = ({ type, value, error }) => {
    forget(n);
    try {
      if (type === "step_completed") resolve(parse(value));
      else reject(withPlace(parse(error), place));
    } catch (unreadable) {
      reject(withPlace(unreadable, place));
    }
  };
  const cancel = (error) => {
    forget(n);
    reject(error);
  };
  const n = emit(`step ${stepId}`, { type: "step", name: stepId, input }, receive, cancel);
  return promise;
}

/** Append the place of the call to a step's own stack, so that it tells the whole way. */
export function withPlace(error, place) {
  if (error instanceof Error && typeof error.stack === "string") {
    const stack = error.stack.trimEnd() + placeText(place);
    Object.defineProperty(error, "stack", { value: stack, writable: true, configurable: true });
  }
  return error;
}
