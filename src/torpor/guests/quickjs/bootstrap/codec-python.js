// Values of Python types that JavaScript lacks, behind class ids `class//python//<kind>`.
//
// They are read as plain data: a tuple, frozenset, range, complex or timedelta as an array, a dataclass, named tuple or
// enum member as an object, a bytearray as a Uint8Array, an exception as an Error. What is text in the data (Decimal,
// UUID, datetime, date, time, Path) is a PythonValue, which shows as that text. Passed back, each is its Python type
// again: what it came from is remembered beside it.

import { assign, ownFields } from "torpor:codec-errors";

const { isArray } = Array;
const { getPrototypeOf, keys, prototype: plain } = Object;
const { Date, Error, Map, Set, Uint8Array } = globalThis; // a program may replace them
const PREFIX = "class//python//";
const EXCEPTION = `${PREFIX}exception//`;
const origins = new WeakMap(); // array, object or Error → { classId, data, state? }
let hasOrigins = false; // spares the lookup for all plain data in most programs

/** A Python value whose data is one text, such as the "1.10" of `Decimal("1.10")`, or an object of some other class. */
export class PythonValue {
  constructor(classId, data) {
    this.classId = classId;
    this.data = data;
    Object.freeze(this);
  }

  toString() {
    return String(this.data);
  }

  valueOf() {
    return this.data;
  }

  toJSON() {
    return this.data;
  }
}

export function isPythonId(classId) {
  return String(classId).startsWith(PREFIX);
}

/** Tell whether an array, object or error came from a Python type. */
export function hasOrigin(value) {
  return hasOrigins && origins.has(value);
}

/** Tell whether a value came from a Python type. */
export function isPython(value) {
  return hasOrigin(value) || value instanceof PythonValue;
}

/** Return the payload of a value for which `isPython` holds. */
export function encodePython(value) {
  if (value instanceof PythonValue) return { classId: value.classId, data: value.data };
  const { classId, data, state } = origins.get(value);
  if (value instanceof Error) {
    // Code on the way may have added to the stack, as steps do with the place of their call.
    const kept = { ...data, message: value.message, stack: value.stack };
    const attributes = ownFields(value);
    if (data.state !== undefined || keys(attributes).length > 0) kept.state = { ...data.state, ...attributes };
    return { classId, data: kept };
  }
  const payload = { classId, data: copyOf(value) }; // the value itself is written as the instance
  const { validated, ...kept } = state ?? {}; // what may have been changed here is to be validated again
  return keys(kept).length === 0 ? payload : { ...payload, state: kept };
}

function copyOf(value) {
  if (isArray(value) || value instanceof Uint8Array) return value.slice();
  const type = [Map, Set, Date].find((type) => value instanceof type);
  return type === undefined ? { ...value } : new type(value);
}

// Whether data can be shown as itself: it is of a kind that can be copied, and not a Python value in its own right.
function isPlain(data) {
  if (typeof data !== "object" || data === null || hasOrigin(data)) return false;
  const prototype = getPrototypeOf(data);
  if (isArray(data) || prototype === plain || prototype === null) return true;
  return [Uint8Array, Map, Set, Date].some((type) => data instanceof type);
}

/** Return what stands for a payload until its data is complete, or undefined if nothing can. */
export function beginPython({ classId, data }) {
  if (classId.startsWith(EXCEPTION)) return new Error();
  return isPlain(data) ? data : undefined;
}

/** Return the value of a complete payload; `begun` is what `beginPython` returned, if it was called. */
export function decodePython({ classId, data, state }, begun) {
  if (!isPlain(data)) return new PythonValue(classId, data);
  const value = classId.startsWith(EXCEPTION) ? errorOf(data, begun ?? new Error()) : data;
  origins.set(value, { classId, data, state }); // what Python keeps beside the data goes back with it
  hasOrigins = true;
  return value;
}

function errorOf({ name, message, stack, errors, cause, context, suppressContext, state }, error) {
  const fields = { ...state, name, message, stack }; // attributes in Python are properties here
  const reason = cause ?? (suppressContext ? undefined : context);
  if (reason !== undefined && reason !== null) fields.cause = reason;
  if (errors !== undefined) fields.errors = errors;
  return assign(error, fields);
}
