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
  const { containers, indexes, reduced } = sort(flat);
  const pending = { __proto__: null }; // index → [name, index of the payload]
  let isPending = containers.length > DEPTH_MAX;
  for (let at = 0; at < indexes.length; at++) {
    const index = indexes[at];
    const [name, payload] = reduced[index];
    const raw = pick(flat, payload);
    if (reduced[payload] === undefined && !isContainer(raw)) {
      flat[index] = decode(index, name, raw);
    } else {
      pending[index] = reduced[index];
      isPending = true;
    }
  }
  if (isPending) completeAll(flat, indexes, pending);
  else for (let at = 0; at < containers.length; at++) fillInPlace(containers[at], flat);
  return flat[0];
}

// Return the containers, and the indexes of reduced values, each of which is in `reduced` in its one normal form:
// [name, index of the payload]. QuickJS looks integers up faster in an object than in a Map.
function sort(flat) {
  const containers = [];
  const indexes = [];
  const reduced = { __proto__: null };
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
      indexes.push(index);
      reduced[index] = [name, oneLevelPayload(value, flat) ?? value[1]];
    }
  }
  return { containers, indexes, reduced };
}

// Walk depth-first from the root and complete children before parents. What is being worked on stands empty in the flat
// array, so that no entry takes indexes for values.
function completeAll(flat, reducedIndexes, pending) {
  const isComplete = { __proto__: null }; // index → true, or false while it is being worked on
  for (const index of reducedIndexes) if (pending[index] === undefined) isComplete[index] = true;
  const begun = { __proto__: null }; // index → what stands for it
  const stack = [];
  let frame = { index: -1, slot: [0], children: [0], at: 0 };
  while (frame !== undefined) {
    if (frame.at === frame.children.length) {
      if (frame.index >= 0) finish(frame, flat, pending, isComplete, begun);
      frame = stack.pop();
      continue;
    }
    const index = frame.children[frame.at++];
    if (isComplete[index] === false && pending[index] !== undefined && begun[index] === undefined) {
      begun[index] = flat[index] = begin(index, pending[index], [...stack, frame], flat);
    }
    if (isComplete[index] !== undefined) continue;
    let slot = pick(flat, index);
    if (pending[index] !== undefined) {
      slot = [pending[index][1]];
    } else {
      if (index < 0 || !isContainer(slot)) continue;
      flat[index] = isArray(slot) ? [] : create(getPrototypeOf(slot));
    }
    if (stack.length >= DEPTH_MAX) throw new TypeError(`the text nests deeper than ${DEPTH_MAX} containers`);
    isComplete[index] = false;
    stack.push(frame);
    frame = { index, slot, children: isArray(slot) ? slot : valuesOf(slot), at: 0 };
  }
}

function finish({ index, slot }, flat, pending, isComplete, begun) {
  isComplete[index] = true;
  if (pending[index] === undefined) return fill(flat[index], slot, flat);
  const [name, payload] = pending[index];
  if (isComplete[payload] === false) throw damaged(`element ${index}, a ${name}, is part of its own payload`);
  flat[index] = decode(index, name, pick(flat, payload), begun[index]);
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

// Put values in the places of their indexes.
function fillInPlace(container, flat) {
  if (!isArray(container)) return fillObject(container, container, flat);
  for (let at = 0; at < container.length; at++) {
    const index = container[at];
    const value = typeof index === "number" ? flat[index] : undefined;
    if (value !== undefined) container[at] = value;
    else if (index === HOLE) delete container[at];
    else container[at] = pick(flat, index);
  }
}

// Put the values of a slot's indexes into an empty container.
function fill(container, slot, flat) {
  if (!isArray(slot)) return fillObject(container, slot, flat);
  for (let at = 0; at < slot.length; at++) {
    if (slot[at] === HOLE) container.length = at + 1;
    else container[at] = pick(flat, slot[at]);
  }
}

function fillObject(object, slot, flat) {
  if (hasOwn(slot, "__proto__")) throw damaged('an object has a key "__proto__"');
  const keys = keysOf(slot);
  for (let at = 0; at < keys.length; at++) {
    const key = keys[at];
    const index = slot[key];
    const value = typeof index === "number" ? flat[index] : undefined;
    object[key] = value === undefined ? pick(flat, index) : value;
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
