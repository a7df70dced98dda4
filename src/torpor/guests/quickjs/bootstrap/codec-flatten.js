// Writing: a value becomes the flat array in which the root is element 0 and containers hold indexes.
//
// The walk is depth-first and numbers a value when it first meets it, with a stack of its own: nesting costs no
// recursion. What it emits is plain JSON data, so that one call of the JSON encoder makes the text.

import { pathOf } from "torpor:codec-paths";
import { hasOrigin } from "torpor:codec-python";
import { nameOf, types } from "torpor:codec-types";

const { getOwnPropertySymbols, getPrototypeOf, hasOwn, keys: keysOf, prototype: plain } = Object;
const { isArray } = Array;
const { Map, Set } = globalThis; // a program may replace them
const isEnumerable = Function.prototype.call.bind(plain.propertyIsEnumerable);
const DEPTH_MAX = 10_000;
const LONG = 512; // characters from which a string is quoted apart; see codec.js
const UNDEFINED = -1;
const HOLE = -2;
const SPARSE = -7;
// QuickJS hashes neighbouring integers alike, which makes a Map of them twenty times slower, but not multiples of a
// prime; those of 32-bit integers are exact.
const SCATTER = 7919;

/**
 * Return the flat array of a value, or the sentinel that stands for it; the indexes of long strings go into `longs`.
 *
 * A frame is a container being walked: the members of `source`, at `keys` or else at all places of an array, are
 * numbered into `target`, which is the container's element. Every value of every payload passes through the loop, in an
 * interpreter: it calls nothing that it can do without, and keeps what it needs of its frame in variables.
 */
export function flatten(root, longs) {
  const flat = [];
  const indexes = new Map(); // value → index; equal primitives share one, everything else goes by identity
  const integers = new Map(); // the same for what fits in 32 bits, as `value * SCATTER`
  const unfinished = new Set(); // indexes of values that cannot exist before their payload, which is being walked
  const stack = [];
  const roots = [];
  let frame = { source: [root], keys: undefined, target: roots, at: 0 };
  let { source, keys, target, at } = frame;
  let count = 1;
  for (;;) {
    if (at >= count) {
      if (frame.isUnfinished) unfinished.delete(frame.index);
      if (stack.length === 0) return roots[0] === 0 ? flat : roots[0];
      frame = stack.pop();
      ({ source, keys, target, at } = frame);
      count = keys === undefined ? source.length : keys.length;
      continue;
    }
    const key = keys === undefined ? at : keys[at];
    const value = source[key];
    const type = typeof value;
    const index = flat.length;
    at += 1;
    if (type === "string") {
      const known = indexes.getOrInsert(value, index);
      if (known === index) {
        flat[index] = value;
        if (value.length >= LONG) longs.push(index);
      }
      target[key] = known;
    } else if (type === "number") {
      const isPlain = value - value === 0 && (value !== 0 || 1 / value > 0);
      if (isPlain) {
        const isInteger = value === (value | 0);
        const known = isInteger ? integers.getOrInsert(value * SCATTER, index) : indexes.getOrInsert(value, index);
        if (known === index) flat[index] = value;
        target[key] = known;
      } else {
        target[key] = sentinelOf(value);
      }
    } else if (value === undefined) {
      const isHole = keys === undefined && !hasOwn(source, key);
      target[key] = isHole ? HOLE : UNDEFINED;
      if (isHole && !frame.isDense) {
        frame = atFirstHole(frame, at);
        ({ source, keys, target, at } = frame);
        count = keys === undefined ? source.length : keys.length;
      }
    } else {
      const known = indexes.getOrInsert(value, index);
      target[key] = known;
      if (known !== index) {
        if (unfinished.has(known)) throw cycleError(value, [...stack, { ...frame, at }]);
      } else if (value === null || type === "boolean") {
        flat[index] = value;
      } else {
        frame.at = at;
        stack.push(frame);
        frame = frameOf(value, stack);
        flat[index] = frame.target;
        if (frame.isUnfinished) unfinished.add((frame.index = index));
        ({ source, keys, target, at } = frame);
        count = keys === undefined ? source.length : keys.length;
      }
    }
  }
}

function sentinelOf(number) {
  if (number !== number) return -3;
  if (number === 0) return -6;
  return number > 0 ? -4 : -5;
}

// Return the frame of a container that was just met; the frame that it is in lies on the stack already.
function frameOf(value, stack) {
  if (stack.length >= DEPTH_MAX) {
    throw new TypeError(`${pathOf(stack.slice(0, 10))}… is nested deeper than ${DEPTH_MAX} containers`);
  }
  if (typeof value === "object" && !hasOrigin(value)) {
    const prototype = getPrototypeOf(value);
    if (prototype === plain) return { source: value, keys: keysIn(value, stack), target: { __proto__: null }, at: 0 };
    if (isArray(value)) return { source: value, keys: undefined, target: [], at: 0 };
    if (prototype === null) return pairsFrame(["null"], keysIn(value, stack), value);
  }
  const name = nameOf(value);
  if (name === undefined) throw unknownError(value, stack);
  const { begin, encode, isWhole } = types[name];
  const isUnfinished = begin === undefined || isWhole?.(value) === true;
  return { source: [name, encode(value)], keys: undefined, target: [name], at: 1, name, isUnfinished };
}

function keysIn(object, stack) {
  if (hasOwn(object, "__proto__")) throw new TypeError(`${pathOf(stack)} has a key "__proto__", which is refused`);
  const symbols = getOwnPropertySymbols(object);
  for (let at = 0; at < symbols.length; at++) {
    if (!isEnumerable(object, symbols[at])) continue;
    throw new TypeError(`${pathOf(stack)} has a symbol as key, ${String(symbols[at])}; use a string`);
  }
  return keysOf(object);
}

// The members of `object` under `names`, written as an array of name, index, name, index … behind `head`.
function pairsFrame(head, names, object) {
  const source = [...head];
  const keys = [];
  for (const name of names) {
    source.push(name, object[name]);
    keys.push(source.length - 1);
  }
  return { source, keys, target: source.slice(), at: 0, names };
}

// At its first hole an array turns sparse if that is shorter, by the rule of the npm package. Members before the hole
// have their indexes, which the second walk finds again.
function atFirstHole(frame, at) {
  const { source: array, target } = frame;
  const places = keysOf(array).filter((key) => String(key >>> 0) === key).map(Number);
  const digits = String(array.length).length;
  const isShorter = 3 * (array.length - places.length) > 4 + digits + places.length * (digits + 1);
  if (!isShorter) return Object.assign(frame, { at, isDense: true });
  const sparse = pairsFrame([SPARSE, array.length], places, array);
  target.splice(0, target.length, ...sparse.target);
  return { ...sparse, target };
}

// What lives in one run only.
const ELSEWHERE = {
  __proto__: null,
  AbortController: "abort in the workflow, and pass its signal to the step",
  Blob: "pass what await blob.bytes() returns",
};

function unknownError(value, stack) {
  const name = typeof value === "object" ? getPrototypeOf(value)?.constructor?.name : undefined;
  const what = typeof value === "object" ? `an instance of ${name}` : `a ${typeof value}`;
  let advice = "pass plain data, or give its class static methods for serialization";
  if (typeof value === "function") advice = "only steps and workflows can be passed as functions";
  if (typeof value === "symbol") advice = "use a string";
  if (value instanceof Promise) advice = "await it first";
  if (name in ELSEWHERE) advice = ELSEWHERE[name];
  return new TypeError(`${pathOf(stack)} is ${what}, which cannot be stored; ${advice}`);
}

function cycleError(value, stack) {
  const name = value.constructor?.name ?? "object";
  return new TypeError(`${pathOf(stack)} leads back to the ${name} that it is part of, which cannot be rebuilt`);
}
