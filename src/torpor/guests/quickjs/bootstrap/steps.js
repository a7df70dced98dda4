// Step proxies: what `import { charge } from "./orders.py"` gives to workflow code.

import { refusal } from "torpor:cancelling";
import { emit, forget } from "torpor:run";
import { parse, reviveStepsWith, stringify, FatalError } from "torpor:codec";
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
  const proxy = (...args) => call(proxy, { args: [...boundArgs, ...args], closureVars, thisVal: boundThis, options });
  const marks = { name: stepId.slice(stepId.lastIndexOf("/") + 1), stepId, bind, withOptions };
  if (closureVars !== undefined) marks.__closureVarsFn = () => closureVars;
  if (boundThis !== undefined) marks.__boundThis = boundThis;
  if (boundArgs.length > 0) marks.__boundArgs = boundArgs;
  if (options !== undefined) marks.__options = options;
  for (const [key, value] of Object.entries(marks)) Object.defineProperty(proxy, key, { value, configurable: true });
  return proxy;

  function bind(thisArg, ...args) {
    const receiver = boundThis ?? thisArg ?? undefined; // as with any function, the first binding wins
    return stepProxy({ stepId, closureVars, boundThis: receiver, boundArgs: [...boundArgs, ...args], options });
  }

  /** Return the step as some calls want it; see `stepOptions`. */
  function withOptions(given) {
    const wanted = { ...options, ...stepOptions(given) };
    const isAny = Object.keys(wanted).length > 0;
    return stepProxy({ stepId, closureVars, boundThis, boundArgs, options: isAny ? wanted : undefined });
  }
}

function call(proxy, { args, ...captured }) {
  const { stepId } = proxy;
  const refused = refusal();
  if (refused !== undefined) return Promise.reject(refused);
  let input;
  try {
    input = stringify(withoutUndefined({ args, ...captured }));
  } catch (cause) {
    return Promise.reject(new FatalError(`step ${stepId} cannot be called: ${cause.message}`, { cause }));
  }
  const { promise, resolve, reject } = Promise.withResolvers();
  const place = takePlace(proxy);
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

function withoutUndefined(object) {
  for (const key in object) if (object[key] === undefined) delete object[key];
  return object;
}

/** Append the place of the call to a step's own stack, so that it tells the whole way. */
export function withPlace(error, place) {
  if (error instanceof Error && typeof error.stack === "string") {
    const stack = error.stack.trimEnd() + placeText(place);
    Object.defineProperty(error, "stack", { value: stack, writable: true, configurable: true });
  }
  return error;
}
