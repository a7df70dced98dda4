// What a run says of itself to those who look at it from outside. The bounds are those of `torpor.attributes`.

import { emit } from "torpor:run";

const NAME_CHARS_MAX = 256;
const VALUE_BYTES_MAX = 256;
const WRITE_BYTES_MAX = 8192;
const STATUS = "$status";

/**
 * Say something of this run in plain text, so that people find it by that.
 *
 * `attributes` is an object of strings; null and undefined take one away. Throws TypeError when it has others or names
 * that begin with $, RangeError when something is too long.
 */
export function setAttributes(attributes) {
  write("setAttributes", checkAttributes("setAttributes", attributes));
}

/** Say in plain text how this run stands, for lists of runs; "" for nothing. Throws as `setAttributes`. */
export function setStatus(text) {
  if (typeof text !== "string") throw new TypeError(`setStatus takes a string, not ${typeof text}`);
  checkSize(STATUS, text);
  write("setStatus", { [STATUS]: text || null });
}

/** Return attributes as they are sent. Throws as `setAttributes`; `what` names the function in the error. */
export function checkAttributes(what, attributes) {
  if (typeof attributes !== "object" || attributes === null || Array.isArray(attributes)) {
    throw new TypeError(`${what}: attributes are an object of strings, such as { customer: "c-17" }`);
  }
  const checked = {};
  let size = 0;
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "") throw new TypeError(`${what}: the name of an attribute has 1 to ${NAME_CHARS_MAX} characters`);
    if (name.startsWith("$")) {
      throw new TypeError(`${what}: attribute ${name}: names that begin with $ are reserved; leave the $ out`);
    }
    if (typeof value !== "string" && value !== null && value !== undefined) {
      throw new TypeError(`${what}: attribute ${name} is a string, or null to take it away, not ${typeof value}`);
    }
    size += checkSize(name, value ?? "");
    Object.defineProperty(checked, name, { value: value ?? null, enumerable: true });
  }
  if (size > WRITE_BYTES_MAX) {
    throw new RangeError(`${what}: these attributes have ${size} bytes, the limit of one write is ${WRITE_BYTES_MAX}`);
  }
  return checked;
}

function checkSize(name, value) {
  const characters = [...name].length;
  const size = bytes(value);
  if (characters > NAME_CHARS_MAX) {
    throw new RangeError(`the name of an attribute has ${characters} characters, the limit is ${NAME_CHARS_MAX}`);
  }
  if (size > VALUE_BYTES_MAX) {
    throw new RangeError(`attribute ${name} has ${size} bytes, the limit is ${VALUE_BYTES_MAX}`);
  }
  return bytes(name) + size;
}

function bytes(text) {
  let size = 0;
  for (const character of text) {
    const code = character.codePointAt(0);
    size += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
  }
  return size;
}

function write(what, attributes) {
  if (Object.keys(attributes).length > 0) emit(what, { type: "attributes", attributes });
}
