// What the engine has and does otherwise than Node: messages, cloning with transfer, times, and the classes of the web.

import { noteImpurity } from "torpor:purity";
import { run } from "torpor:run";
import { ReadableStream, Request, Response, TransformStream, WritableStream } from "torpor:codec-handles";
import { AbortController, AbortSignal } from "torpor:web-abort";
import { Blob } from "torpor:web-blob";
import { CustomEvent, Event, EventTarget } from "torpor:web-events";
import { installLocale } from "torpor:web-locale";
import "torpor:web-params";
import { TextDecoder } from "torpor:web-text";
import { keeping } from "torpor:web-weak";

const { defineProperty } = Object;
const { call } = Function.prototype;
const QUOTA_BYTES = 65_536; // of one draw of entropy

export function installWeb() {
  installLocale();
  const classes = {
    AbortController, AbortSignal, Blob, CustomEvent, Event, EventTarget, ReadableStream, Request, Response, TextDecoder,
    TransformStream, WritableStream,
  };
  for (const [name, value] of Object.entries(classes)) hidden(globalThis, name, value);
  hidden(globalThis, "performance", performanceOf(Date.now));
  hidden(globalThis, "structuredClone", cloning(structuredClone));
  hidden(globalThis, "DOMException", exceptions(DOMException));
  hidden(globalThis, "WeakRef", keeping(WeakRef));
  hidden(Promise, "any", anyOf(Promise.any));
  hidden(Crypto.prototype, "getRandomValues", drawing(Crypto.prototype.getRandomValues));
  for (const Type of [Headers, TextEncoder, URL]) tagged(Type);
  zoned("toString");
  zoned("toTimeString");
}

function hidden(object, name, value) {
  defineProperty(object, name, { value, writable: true, configurable: true });
}

/** Time since the run began, which is the time of the event that is being delivered; 0 while modules are loaded. */
function performanceOf(now) {
  const absent = (name) => () => {
    throw new TypeError(`performance.${name} is not available in workflow code; keep what performance.now() returns`);
  };
  const timeOrigin = () => {
    noteImpurity();
    return run.phase === "loading" ? now() : run.startedAt;
  };
  const value = { now: () => (run.phase === "loading" ? 0 : run.at - run.startedAt) };
  for (const name of ["mark", "measure", "getEntries", "getEntriesByName", "getEntriesByType"]) value[name] = absent(name);
  value.toJSON = () => ({ timeOrigin: value.timeOrigin });
  defineProperty(value, Symbol.toStringTag, { value: "Performance", configurable: true });
  return defineProperty(value, "timeOrigin", { get: timeOrigin, enumerable: true, configurable: true });
}

function cloning(clone) {
  return function structuredClone(value, options = undefined) {
    if (arguments.length === 0) throw new TypeError("The value argument must be specified");
    const transferred = [...(options?.transfer ?? [])];
    transferred.forEach((each, at) => {
      if (!(each instanceof ArrayBuffer)) throw new TypeError("Found invalid object in transferList");
      if (transferred.indexOf(each) < at) throw uncloneable("Transfer list contains duplicate ArrayBuffer");
      if (each.detached) throw uncloneable("An ArrayBuffer is detached and could not be cloned.");
    });
    const cloned = clone(value);
    for (const each of transferred) each.transfer(); // what has it still sees it empty
    return cloned;
  };
}

/** Draw into arrays of integers only, as everywhere else. */
function drawing(native) {
  return function getRandomValues(array) {
    const isOfIntegers = ArrayBuffer.isView(array) && /^(Big)?(Int|Uint)\d+(Clamped)?Array$/.test(array[Symbol.toStringTag]);
    if (!isOfIntegers) throw new DOMException("The data argument must be an integer-type TypedArray", "TypeMismatchError");
    if (array.byteLength > QUOTA_BYTES) {
      throw new DOMException("The requested length exceeds 65,536 bytes", "QuotaExceededError");
    }
    return call.call(native, this, array);
  };
}

function tagged(Type) {
  if (Type.prototype[Symbol.toStringTag] === undefined) {
    defineProperty(Type.prototype, Symbol.toStringTag, { value: Type.name, configurable: true });
  }
}

function uncloneable(message) {
  return new DOMException(message, "DataCloneError");
}

/** Let the second argument of DOMException be an object too. */
function exceptions(Native) {
  return new Proxy(Native, {
    construct(target, [message, options, ...rest], newTarget) {
      const isObject = typeof options === "object" && options !== null;
      const name = isObject ? (options.name ?? "Error") : options;
      const given = name === undefined ? (message === undefined ? [] : [message]) : [message ?? "", name];
      const made = Reflect.construct(target, [...given, ...rest], newTarget);
      if (isObject && "cause" in options) hidden(made, "cause", options.cause);
      return made;
    },
  });
}

function anyOf(native) {
  return function any(promises) {
    return call.call(native, this, promises).then(undefined, (error) => {
      if (error instanceof AggregateError && error.message === "") hidden(error, "message", "All promises were rejected");
      throw error;
    });
  };
}

/** Add the name of the time zone to what a method of dates returns, as Node does. */
function zoned(name) {
  const native = Date.prototype[name];
  const methods = {
    [name]() {
      return call.call(native, this).replace(/\+0000$/, "+0000 (Coordinated Universal Time)");
    },
  };
  hidden(Date.prototype, name, methods[name]);
}
