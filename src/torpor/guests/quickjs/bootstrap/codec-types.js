// The table of reducers: how a type that JSON lacks becomes a payload that the format can hold, and back.
//
// An entry has `encode(value)` → payload and `decode(payload, begun)` → value. A type that may take part in a cycle has
// `begin(head)` → an empty value too, to which `decode` then gives its content; `head` is the payload before it is
// complete. `isWhole(value)` tells of a value that may not, although others of its type may. Adding a type is adding an
// entry and, for a new class, a line to CLASSES. Python has the same table.

import { codeTypes, decodeInstance, encodeInstance, functionType, isInstance } from "torpor:codec-code";
import { errorType, errorTypes } from "torpor:codec-errors";
import { HANDLES, handleTypes } from "torpor:codec-handles";
import { beginPython, decodePython, encodePython, isPython, isPythonId } from "torpor:codec-python";

const { getOwnPropertyDescriptor, getPrototypeOf } = Object;
const { from, isArray } = Array;
const { isNaN } = Number;
const { ArrayBuffer, Date, Error, Map, RegExp, Set, Uint8Array } = globalThis; // a program may replace them
const { Float16Array, Headers, URL, URLSearchParams } = globalThis; // perhaps absent
const EMPTY = "."; // the TypeScript SDK takes a falsy payload for "not mine"
const DIGITS = /^-?[0-9]+$/;
const ISO_DATE = /^(?:\d{4}|[+-]\d{6})-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

// User code may patch prototypes; what reads its values is taken before it runs.
const uncurried = (method) => Function.prototype.call.bind(method);
const isoTextOf = uncurried(Date.prototype.toISOString);
const timeOf = uncurried(Date.prototype.getTime);
const base64Of = uncurried(Uint8Array.prototype.toBase64);
const bytesIn = Uint8Array.fromBase64.bind(Uint8Array);
const TypedArray = getPrototypeOf(Uint8Array);
const typedArrayName = uncurried(getOwnPropertyDescriptor(TypedArray.prototype, Symbol.toStringTag).get);

/** Name → entry. */
export const types = {
  __proto__: null,
  ...codeTypes,
  Instance: {
    encode: (value) => (isPython(value) ? encodePython(value) : encodeInstance(value)),
    isWhole: (value) => !isPython(value),
    begin: (head) => (isPythonId(head.classId) ? beginPython(head) : undefined),
    decode: (payload, begun) => (isPythonId(payload.classId) ? decodePython(payload, begun) : decodeInstance(payload)),
  },
  BigInt: { encode: String, decode: (text) => BigInt(matching(DIGITS, text)) },
  Date: {
    encode: (date) => (isNaN(timeOf(date)) ? EMPTY : isoTextOf(date)),
    decode: (text) => (text === EMPTY || text === "" ? new Date(NaN) : dateIn(text)),
  },
  RegExp: {
    encode: ({ source, flags }) => ({ source, flags }),
    decode: ({ source, flags }) => new RegExp(textIn(source), textIn(flags)),
  },
  Map: {
    encode: (map) => from(map),
    begin: () => new Map(),
    decode(pairs, map = new Map()) {
      for (const pair of arrayIn(pairs)) {
        if (arrayIn(pair).length !== 2) throw new TypeError("a member of it is no pair");
        map.set(pair[0], pair[1]);
      }
      return map;
    },
  },
  Set: {
    encode: (set) => from(set),
    begin: () => new Set(),
    decode(members, set = new Set()) {
      for (const member of arrayIn(members)) set.add(member);
      return set;
    },
  },
  URL: { encode: (url) => url.href, decode: (text) => new URL(text) },
  URLSearchParams: {
    encode: (params) => String(params) || EMPTY,
    decode: (text) => new URLSearchParams(markedTextIn(text)),
  },
  Headers: { encode: (headers) => from(headers), decode: (pairs) => new Headers(arrayIn(pairs)) },
  Object: { encode: (boxed) => boxed.valueOf(), decode: (primitive) => Object(primitive) },
  ArrayBuffer: { encode: (buffer) => base64Of(new Uint8Array(buffer)) || EMPTY, decode: (text) => partIn(text)[0] },
  ...errorTypes,
  ...handleTypes,
};

for (const Type of [
  Int8Array, Uint8Array, Uint8ClampedArray, Int16Array, Uint16Array, Int32Array, Uint32Array, Float32Array,
  Float64Array, BigInt64Array, BigUint64Array,
]) {
  types[Type.name] = {
    encode: ({ buffer, byteOffset, byteLength }) => base64Of(new Uint8Array(buffer, byteOffset, byteLength)) || EMPTY,
    decode: (payload) => new Type(...partIn(payload)),
  };
}

// The TypeScript SDK has no reducers for these and leaves them to devalue, which writes their buffer as a value.
for (const Type of [DataView, Float16Array]) {
  if (Type === undefined) continue;
  types[Type.name] = {
    encode: ({ buffer, byteOffset, byteLength }) => buffer.slice(byteOffset, byteOffset + byteLength),
    decode: (payload) => new Type(...partIn(payload)),
  };
}

const CLASSES = [
  [Date, "Date"], [Map, "Map"], [Set, "Set"], [ArrayBuffer, "ArrayBuffer"], [DataView, "DataView"], [RegExp, "RegExp"],
  [URL, "URL"], [URLSearchParams, "URLSearchParams"], [Headers, "Headers"],
  [String, "Object"], [Number, "Object"], [Boolean, "Object"], [BigInt, "Object"], ...HANDLES,
].filter(([type]) => type !== undefined);

/** Let values of a class be written by an entry that is there, as the fields that a function returns. */
export function alsoWrites(Type, name, fieldsOf) {
  const { encode } = types[name];
  types[name].encode = (value) => (value instanceof Type ? fieldsOf(value) : encode(value));
  CLASSES.push([Type, name]);
}

/** Let what is read of an entry go through a function first, which completes the fields. */
export function alsoReads(name, complete) {
  const { decode } = types[name];
  types[name].decode = (fields, begun) => decode(complete(fields), begun);
}

/** Return the name of the entry for a value that is neither plain data nor a primitive of JSON, or undefined. */
export function nameOf(value) {
  if (typeof value === "bigint") return "BigInt";
  if (typeof value === "function") return functionType(value);
  if (isPython(value) || isInstance(value)) return "Instance";
  if (value instanceof Error) return errorType(value);
  return typedArrayName(value) ?? CLASSES.find(([type]) => value instanceof type)?.[1];
}

function arrayIn(payload) {
  if (!isArray(payload)) throw new TypeError("its members are no array");
  return payload;
}

function textIn(payload) {
  if (typeof payload !== "string") throw new TypeError(`${String(payload)} is not text`);
  return payload;
}

function markedTextIn(payload) {
  return payload === EMPTY ? "" : textIn(payload);
}

function dateIn(text) {
  const date = new Date(matching(ISO_DATE, text));
  if (isNaN(timeOf(date))) throw new RangeError(`${text} is no date`);
  return date;
}

function matching(pattern, text) {
  if (!pattern.test(text)) throw new SyntaxError(`${JSON.stringify(text)} has not the right form`);
  return text;
}

// The buffer of a payload, and the part of it that a view shows where it is not all.
function partIn(payload) {
  if (payload instanceof ArrayBuffer) return [payload];
  if (typeof payload === "string") return [bytesIn(markedTextIn(payload)).buffer];
  if (!(payload?.buffer instanceof ArrayBuffer)) throw new TypeError("binary data is neither base64 nor a buffer");
  return [payload.buffer, payload.offset, payload.length];
}
