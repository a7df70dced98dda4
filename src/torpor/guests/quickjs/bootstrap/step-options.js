// What a single call of a step wants otherwise than the step says, as it travels in the step's input.

import { milliseconds } from "torpor:duration";
import { knownOptions } from "torpor:options";

const { isArray } = Array;
const LIMITS = ["timeout", "heartbeat", "scheduleToStart", "scheduleToClose"];
const OPTIONS = ["maxRetries", ...LIMITS, "backoff", "retryOn", "neverRetry"];
const CLASS_NAME = /^[\p{L}_$][\p{L}\p{N}_$]*$/u;

/**
 * Return options of `withOptions` as they travel.
 *
 * `maxRetries` are attempts after the first, `timeout` is what one attempt may take and `heartbeat` how long it may be
 * silent; `scheduleToStart` is how long the step may wait for a worker, `scheduleToClose` what all of it may take with all
 * attempts; null is for as long as it likes. `backoff` has delays between attempts: `first` and `most`, and the `factor` by which they grow. Durations are
 * milliseconds or texts. `retryOn` and `neverRetry` say after which errors there is another attempt, or none: names of
 * classes, such as "ConnectionError", or classes, whose names count; one of them or an array, and `retryOn: null` for all.
 */
export function stepOptions(given) {
  const options = knownOptions("withOptions", given, OPTIONS);
  const { maxRetries, backoff, retryOn, neverRetry } = options;
  const wanted = {};
  if (maxRetries !== undefined) {
    if (!Number.isSafeInteger(maxRetries) || maxRetries < 0) wrong("maxRetries", maxRetries, "0 for none, or more");
    wanted.maxRetries = maxRetries;
  }
  for (const name of LIMITS) {
    if (options[name] !== undefined) wanted[`${name}Ms`] = limit(name, options[name]);
  }
  if (backoff !== undefined) wanted.backoff = delays(backoff);
  if (retryOn !== undefined) wanted.retryOn = retryOn === null ? null : errorNames("retryOn", retryOn);
  if (neverRetry !== undefined) wanted.neverRetry = errorNames("neverRetry", neverRetry);
  return wanted;
}

function limit(option, given) {
  if (given === null) return null;
  const ms = Math.round(milliseconds(given));
  if (ms <= 0) wrong(option, given, "a time that is longer, or null");
  return ms;
}

function errorNames(option, given) {
  return (isArray(given) ? given : [given]).map((each) => {
    const name = typeof each === "function" ? each.name : each;
    if (typeof name !== "string" || !CLASS_NAME.test(name)) wrong(option, each, "names or classes of errors");
    return name;
  });
}

function delays(given) {
  const { first = 200, factor = 2, most = 60_000 } = knownOptions("backoff", given, ["first", "factor", "most"]);
  const wanted = { firstMs: milliseconds(first), factor, mostMs: milliseconds(most) };
  if (!(wanted.firstMs >= 0)) wrong("first", first, "a time from 0 upwards");
  if (!(wanted.mostMs >= 0)) wrong("most", most, "a time from 0 upwards");
  if (typeof factor !== "number" || !(factor >= 0 && factor < Infinity)) wrong("factor", factor, "a number from 0 upwards");
  return wanted;
}

function wrong(name, value, right) {
  throw new RangeError(`withOptions: ${name} is ${String(value)}; give ${right}`);
}
