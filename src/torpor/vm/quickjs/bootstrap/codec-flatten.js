// Writing: a value becomes the flat array in which the root is element 0 and containers hold indexes.
//
// The walk is depth-first and numbers a value when it first meets it, with a stack of its own: nesting costs no
// recursion. What it emits is plain JSON data, so that one call of the JSON encoder makes the text.

import { pathOf } from "torpor:codec-paths";
import { isPython } from "torpor:codec-python";
import { nameOf, types } from "torpor:codec-types";

const { create, getOwnPropertySymbols, getPrototypeOf, hasOwn, keys: keysOf, prototype: plain } = Object;
const { isArray } = Array;
const isEnumerable = Function.prototype.call.bind(plain.propertyIsEnumerable);
const DEPTH_MAX = 10_000;
const UNDEFINED = -1;
const HOLE = -2;
const SPARSE = -7;

// A frame is a container being walked: members of `source`, at `keys` or at all places of an array, are numbered into
// `target`, which is the container's element of the flat array.

/** Return the flat array of a value, or the sentinel that stands for it. */
export function flatten(root) {
  const flat = [];
  const indexes = new Map(); // value → index; equal primitives share one, everything else goes by identity
  const unfinished = new Set(); // indexes of values that cannot exist before their payload, which is being walked
  const outermost = { source: [root], keys: undefined, target: [], at: 0 };
  const stack = [outermost];
  while (stack.length > 0) {
    const frame = stack[stack.length - 1];
    const { source, keys, target } = frame;
    const count = keys === undefined ? source.length : keys.length;
    let isInterrupted = false;
    while (frame.at < count) {
      const key = keys === undefined ? frame.at : keys[frame.at];
      frame.at += 1;
      const value = source[key];
      if (value === undefined) {
        const isHole = keys === undefined && !hasOwn(source, key);
        target[key] = isHole ? HOLE : UNDEFINED;
        if (isHole && !frame.isDense && (isInterrupted = turnSparse(frame))) break;
        continue;
      }
      const sentinel = typeof value === "number" ? sentinelOf(value) : 0;
      if (sentinel < 0) {
        target[key] = sentinel;
        continue;
      }
      const known = indexes.get(value);
      if (known !== undefined) {
        if (unfinished.has(known)) throw cycleError(value, stack);
        target[key] = known;
        continue;
      }
      const index = (target[key] = flat.length);
      indexes.set(value, index);
      if (value === null || typeof value === "string" || typeof value === "number" || typeof value === "boolean") {
        flat.push(value);
        continue;
      }
      const opened = frameOf(value, stack);
      if (opened.isUnfinished) unfinished.add((opened.index = index));
      flat.push(opened.target);
      stack.push(opened);
      if (stack.length > DEPTH_MAX) {
        throw new TypeError(`${pathOf(stack.slice(0, 10))}… is nested deeper than ${DEPTH_MAX} containers`);
      }
      isInterrupted = true;
      break;
    }
    if (!isInterrupted) {
      stack.pop();
      if (frame.isUnfinished) unfinished.delete(frame.index);
    }
  }
  const [index] = outermost.target;
  return index === 0 ? flat : index;
}

function sentinelOf(number) {
  if (number !== number) return -3;
  if (number === Infinity) return -4;
  if (number === -Infinity) return -5;
  return number === 0 && 1 / number < 0 ? -6 : 0;
}

function frameOf(value, stack) {
  if (typeof value === "object" && !isPython(value)) {
    if (isArray(value)) return { source: value, keys: undefined, target: [], at: 0, isDense: false };
    const prototype = getPrototypeOf(value);
    if (prototype === plain) return { source: value, keys: keysIn(value, stack), target: create(null), at: 0 };
    if (prototype === null) return pairsFrame(["null"], keysIn(value, stack), value);
  }
  const name = nameOf(value);
  if (name === undefined) throw unknownError(value, stack);
  const entry = types[name];
  const isUnfinished = entry.begin === undefined || entry.isWhole?.(value) === true;
  return { source: [name, entry.encode(value)], keys: undefined, target: [name], at: 1, name, isUnfinished, index: 0 };
}

function keysIn(object, stack) {
  const keys = keysOf(object);
  if (keys.includes("__proto__")) throw new TypeError(`${pathOf(stack)} has a key "__proto__", which is refused`);
  const symbol = getOwnPropertySymbols(object).find((symbol) => isEnumerable(object, symbol));
  if (symbol !== undefined) throw new TypeError(`${pathOf(stack)} has a symbol as key, ${String(symbol)}; use a string`);
  return keys;
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

// At its first hole an array is written as sparse if that is shorter, by the rule of the npm package.
function turnSparse(frame) {
  const { source: array, target } = frame;
  const places = keysOf(array).filter((key) => String(key >>> 0) === key).map(Number);
  const digits = String(array.length).length;
  const isShorter = 3 * (array.length - places.length) > 4 + digits + places.length * (digits + 1);
  if (isShorter) {
    // The members before the hole have their indexes, which the second walk finds again.
    const sparse = pairsFrame([SPARSE, array.length], places, array);
    target.length = 0;
    target.push(...sparse.target);
    Object.assign(frame, sparse, { target });
  } else {
    frame.isDense = true;
  }
  return isShorter;
}

function unknownError(value, stack) {
  const what = typeof value === "object" ? `an instance of ${getPrototypeOf(value)?.constructor?.name}` : `a ${typeof value}`;
  let advice = "pass plain data, or give its class static methods for serialization";
  if (typeof value === "function") advice = "only steps and workflows can be passed as functions";
  if (typeof value === "symbol") advice = "use a string";
  if (value instanceof Promise) advice = "await it first";
  return new TypeError(`${pathOf(stack)} is ${what}, which cannot be stored; ${advice}`);
}

function cycleError(value, stack) {
  const name = value.constructor?.name ?? "object";
  return new TypeError(`${pathOf(stack)} leads back to the ${name} that it is part of, which cannot be rebuilt`);
}
