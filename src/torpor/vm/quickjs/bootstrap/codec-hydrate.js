// Reading: the flat array becomes a value.
//
// The containers of the parsed array are the containers of the value, filled in place: sharing and cycles need no care,
// nesting no recursion. Only what the table's entries make has an order, since a payload must be complete before its
// value can be; where there is any, one depth-first walk completes children before parents.

import { oneLevelPayload } from "torpor:codec-one-level";
import { types } from "torpor:codec-types";

const { create, getPrototypeOf, hasOwn, keys: keysOf, values: valuesOf } = Object;
const { isArray } = Array;
const { isInteger } = Number;
const { Map } = globalThis; // a program may replace it
const DEPTH_MAX = 10_000;
const SPARSE_LENGTH_MAX = 100_000; // of one sparse array, whose length the text does not bound
const SPARSE_TOTAL_MAX = 1_000_000; // of all sparse arrays of a text
const HOLE = -2;
const SPARSE = -7;
const SENTINELS = [null, undefined, undefined, NaN, Infinity, -Infinity, -0]; // by magnitude of the index

/** Return the value of a flat array; the array is used up. */
export function hydrate(flat) {
  if (typeof flat === "number" && flat < 0 && flat !== HOLE && -flat in SENTINELS) return SENTINELS[-flat];
  if (!isArray(flat) || flat.length === 0) throw damaged("it is neither an array of elements nor a sentinel");
  const { containers, reduced } = sort(flat);
  const pending = new Map();
  for (const [index, [name, payload]] of reduced) {
    const raw = pick(flat, payload);
    if (reduced.has(payload) || isContainer(raw)) pending.set(index, [name, payload]);
    else flat[index] = decode(index, name, raw);
  }
  if (pending.size > 0 || containers.length > DEPTH_MAX) completeAll(flat, reduced, pending);
  else for (const container of containers) fill(container, container, flat);
  return flat[0];
}

// Return the containers, and the reduced values by index, each in its one normal form: [name, index of the payload].
function sort(flat) {
  const containers = [];
  const reduced = new Map();
  let sparseTotal = 0;
  for (let index = 0; index < flat.length; index++) { // also meets what is appended on the way
    const value = flat[index];
    if (typeof value !== "object" || value === null) continue;
    const name = isArray(value) ? value[0] : undefined;
    if (typeof name !== "string") {
      if (name === SPARSE) sparseTotal += (flat[index] = dense(value)).length;
      if (sparseTotal > SPARSE_TOTAL_MAX) throw damaged(`its sparse arrays have over ${SPARSE_TOTAL_MAX} elements`);
      containers.push(flat[index]);
    } else if (name === "null") {
      containers.push((flat[index] = withoutPrototype(value)));
    } else if (types[name] === undefined) {
      throw new TypeError(`element ${index} of the text is a ${JSON.stringify(name)}, which this version cannot read`);
    } else {
      reduced.set(index, [name, oneLevelPayload(value, flat) ?? value[1]]);
    }
  }
  return { containers, reduced };
}

// Walk depth-first from the root and complete children before parents. What is being worked on stands empty in the flat
// array, so that no entry takes indexes for values.
function completeAll(flat, reduced, pending) {
  const isComplete = new Map(); // index → true, or false while it is being worked on
  for (const index of reduced.keys()) if (!pending.has(index)) isComplete.set(index, true);
  const begun = new Map(); // index → what stands for it
  const stack = [];
  let frame = { index: -1, slot: [0], children: [0], at: 0 };
  while (frame !== undefined) {
    if (frame.at === frame.children.length) {
      if (frame.index >= 0) finish(frame, flat, pending, isComplete, begun);
      frame = stack.pop();
      continue;
    }
    const index = frame.children[frame.at++];
    if (isComplete.get(index) === false && pending.has(index) && !begun.has(index)) {
      begun.set(index, (flat[index] = begin(index, pending.get(index), [...stack, frame], flat)));
    }
    if (isComplete.has(index)) continue;
    let slot = pick(flat, index);
    if (pending.has(index)) {
      slot = pending.get(index).slice(1);
    } else {
      if (index < 0 || !isContainer(slot)) continue;
      flat[index] = isArray(slot) ? [] : create(getPrototypeOf(slot));
    }
    if (stack.length >= DEPTH_MAX) throw new TypeError(`the text nests deeper than ${DEPTH_MAX} containers`);
    isComplete.set(index, false);
    stack.push(frame);
    frame = { index, slot, children: isArray(slot) ? slot : valuesOf(slot), at: 0 };
  }
}

function finish({ index, slot }, flat, pending, isComplete, begun) {
  isComplete.set(index, true);
  if (!pending.has(index)) return fill(flat[index], slot, flat);
  const [name, payload] = pending.get(index);
  if (isComplete.get(payload) === false) throw damaged(`element ${index}, a ${name}, is part of its own payload`);
  flat[index] = decode(index, name, pick(flat, payload), begun.get(index));
}

// Return what stands for a value whose payload leads back to it.
function begin(index, [name, payload], frames, flat) {
  const head = {};
  const slot = frames.find((frame) => frame.index === payload)?.slot;
  for (const key of slot === undefined ? [] : keysOf(slot)) head[key] = pick(flat, slot[key]);
  const value = types[name].begin?.(head);
  if (value === undefined) throw damaged(`element ${index}, a ${name}, is part of itself, which it cannot be`);
  return value;
}

function decode(index, name, payload, begun) {
  try {
    return types[name].decode(payload, begun);
  } catch (cause) {
    throw new TypeError(`element ${index} of the text cannot be read as ${name}: ${cause.message}`, { cause });
  }
}

// Put values in the places of their indexes; `slot` may be `container` itself.
function fill(container, slot, flat) {
  if (isArray(slot)) {
    for (let at = 0; at < slot.length; at++) {
      const index = slot[at];
      const value = typeof index === "number" ? flat[index] : undefined;
      if (value !== undefined) container[at] = value;
      else if (index !== HOLE) container[at] = pick(flat, index);
      else if (container === slot) delete container[at];
      else container.length = at + 1;
    }
    return;
  }
  if (hasOwn(slot, "__proto__")) throw damaged('an object has a key "__proto__"');
  const keys = keysOf(slot);
  for (let at = 0; at < keys.length; at++) {
    const key = keys[at];
    const index = slot[key];
    const value = typeof index === "number" ? flat[index] : undefined;
    container[key] = value === undefined ? pick(flat, index) : value;
  }
}

function pick(flat, index) {
  if (typeof index === "number") {
    if (index < 0 && -index in SENTINELS) return SENTINELS[-index];
    if (index >= 0 && index < flat.length && isInteger(index)) return flat[index];
  }
  throw damaged(`${JSON.stringify(index)} is no index of its ${flat.length} elements`);
}

function isContainer(value) {
  return typeof value === "object" && value !== null;
}

function dense([, length, ...pairs]) {
  if (!isInteger(length) || length < 0 || length > SPARSE_LENGTH_MAX || pairs.length % 2 !== 0) {
    throw damaged(`a sparse array of length ${length}; the limit is ${SPARSE_LENGTH_MAX}`);
  }
  const indexes = [];
  for (let at = 0; at < length; at++) indexes.push(HOLE);
  for (let at = 0; at < pairs.length; at += 2) {
    const place = pairs[at];
    if (!isInteger(place) || place < 0 || place >= length) throw damaged(`a sparse array has an element at ${place}`);
    indexes[place] = pairs[at + 1];
  }
  return indexes;
}

function withoutPrototype(slot) {
  const object = create(null);
  for (let at = 1; at < slot.length; at += 2) {
    if (typeof slot[at] !== "string" || at + 1 === slot.length) throw damaged("an object without prototype is uneven");
    object[slot[at]] = slot[at + 1];
  }
  return object;
}

function damaged(what) {
  return new SyntaxError(`this is not devalue text, or it was damaged: ${what}`);
}
