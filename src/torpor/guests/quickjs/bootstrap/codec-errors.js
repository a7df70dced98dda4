// Errors: those that authors throw on purpose, and the entries of the codec's table for errors of every class.

import { dueTime } from "torpor:duration";
import { knownOptions } from "torpor:options";

const { defineProperty, keys } = Object;
const { AggregateError, DOMException, Error } = globalThis; // a program may replace them

/** Throw in a step to fail it without a retry. */
export class FatalError extends Error {
  static is(value) {
    return isNamed(value, "FatalError");
  }
}

/**
 * Throw in a step to have it retried after a given time, which counts as a retry.
 *
 * `retryAfter` is milliseconds, a text such as "5m", or a moment as `sleep` takes it; without it the step's own backoff applies.
 */
export class RetryableError extends Error {
  constructor(message, options) {
    const { retryAfter, ...ofErrors } = knownOptions("RetryableError", options, ["retryAfter", "cause"]);
    super(message, ofErrors);
    if (retryAfter !== undefined) this.retryAfter = new Date(dueTime(retryAfter, Date.now()));
  }

  static is(value) {
    return isNamed(value, "RetryableError");
  }
}

/** What awaiting a hook throws when its token belongs to another live hook, one of run `conflictingRunId`. */
export class HookConflictError extends Error {
  constructor(token, conflictingRunId) {
    super(`hook token ${JSON.stringify(token)} is in use by run ${conflictingRunId ?? "unknown"}`);
    this.token = token;
    this.conflictingRunId = conflictingRunId;
  }

  static is(value) {
    return isNamed(value, "HookConflictError");
  }
}

for (const type of [FatalError, RetryableError, HookConflictError]) hide(type.prototype, "name", type.name);

/** Make an error of a class of ours, or of the class that a bundle of the Workflow SDK has registered in its place. */
export function branded(Type, ...args) {
  const Own = globalThis[Symbol.for(`@workflow/errors//${Type.name}`)] ?? Type;
  return new Own(...args);
}

const HIDDEN = ["name", "message", "stack", "cause", "errors"]; // as the engine's own are
let isStorable = () => false;
const looking = new WeakSet(); // errors whose own properties are being looked at, which may lead back to them

/** Say what tells whether a value can be stored; own properties of errors that cannot be are left out. */
export function leaveOutUnless(test) {
  isStorable = test;
}

/** Give an error fields that were read, its own properties as anyone may see them; return it. */
export function assign(error, fields) {
  if (typeof fields.message !== "string") throw new TypeError("an error has no message");
  for (const name of keys(fields)) {
    if (error[name] === fields[name] && name in error) continue;
    if (HIDDEN.includes(name)) hide(error, name, fields[name]);
    else defineProperty(error, name, { value: fields[name], writable: true, configurable: true, enumerable: true });
  }
  return error;
}

/** Return what authors have added to an error, such as its `code`, as far as it can be stored. */
export function ownFields(error) {
  const found = {};
  if (looking.has(error)) return found;
  looking.add(error);
  try {
    for (const name of keys(error)) {
      if (!HIDDEN.includes(name) && name !== "__proto__" && isStorable(error[name])) found[name] = error[name];
    }
  } finally {
    looking.delete(error);
  }
  return found;
}

/** Name → entry. An error is known by its `name`: its class may have been renamed, or exist elsewhere only. */
export const errorTypes = {
  __proto__: null,
  Error: entry(() => new Error(), (error, fields) => ({ name: String(error.name), ...fields })),
  AggregateError: entry(() => new AggregateError([]), ({ errors }, fields) => ({ ...fields, errors })),
  DOMException: entry(
    (head) => (DOMException ? new DOMException("", head.name) : new Error()),
    ({ name }, { message, ...fields }) => ({ message, name, ...fields }),
  ),
  FatalError: entry(() => branded(FatalError)),
  RetryableError: {
    ...entry(() => branded(RetryableError), ({ retryAfter }, fields) => withEpoch(fields, retryAfter)),
    decode({ retryAfter, ...fields }, error = branded(RetryableError)) {
      if (retryAfter !== undefined) error.retryAfter = dateAt(retryAfter);
      return assign(error, fields);
    },
  },
  HookConflictError: entry(
    () => branded(HookConflictError),
    ({ token, conflictingRunId }, fields) =>
      conflictingRunId === undefined ? { ...fields, token } : { ...fields, token, conflictingRunId },
  ),
  RuntimeDecryptionError: entry(() => named("RuntimeDecryptionError"), withOptional("context")),
  StreamError: entry(() => named("StreamError"), withOptional("status", "url")),
};

for (const type of [EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError]) {
  errorTypes[type.name] = entry(() => new type());
}

/** Return the name of the entry for an error. */
export function errorType(error) {
  if (DOMException !== undefined && error instanceof DOMException) return "DOMException";
  const { name } = error;
  return typeof name === "string" && name in errorTypes && name !== "DOMException" ? name : "Error";
}

function entry(begin, extend = (_, fields) => fields) {
  return {
    encode(error) {
      let fields = { message: String(error.message), stack: error.stack };
      if ("cause" in error) fields.cause = error.cause;
      fields = extend(error, fields);
      const own = ownFields(error);
      for (const name in own) if (!(name in fields)) fields[name] = own[name];
      return fields;
    },
    begin,
    decode: (fields, error = begin(fields)) => assign(error, fields),
  };
}

function withOptional(...names) {
  return (error, fields) => {
    for (const name of names) {
      if (error[name] !== undefined) fields[name] = error[name];
    }
    return fields;
  };
}

function withEpoch(fields, date) {
  const retryAfter = Number(date); // a Date, or milliseconds that someone assigned
  return Number.isFinite(retryAfter) ? { ...fields, retryAfter } : fields;
}

function dateAt(epoch) {
  const date = new Date(epoch);
  if (typeof epoch !== "number" || Number.isNaN(date.getTime())) throw new RangeError(`${epoch} is no time`);
  return date;
}

function named(name) {
  const error = new Error();
  hide(error, "name", name);
  return error;
}

function isNamed(value, name) {
  return value instanceof Error && value.name === name;
}

function hide(object, name, value) {
  defineProperty(object, name, { value, writable: true, configurable: true, enumerable: false });
}
