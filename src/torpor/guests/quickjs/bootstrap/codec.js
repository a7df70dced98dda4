// Values ⇄ texts: "devl", then the devalue flat format. It is one JSON array in which the root is element 0 and
// containers hold indexes: `[{"to":1,"cc":2},"ada",[1]]` is `{ to: "ada", cc: ["ada"] }`.

import { leaveOutUnless } from "torpor:codec-errors";
import { flatten } from "torpor:codec-flatten";
import { hydrate } from "torpor:codec-hydrate";

export { registerClass, reviveStepsWith } from "torpor:codec-code";
export { FatalError, HookConflictError, RetryableError } from "torpor:codec-errors";
export {
  AbortController, AbortSignal, ReadableStream, Request, Response, WritableStream,
} from "torpor:codec-handles";
export { PythonValue } from "torpor:codec-python";

const { parse: parseJson, stringify: stringifyJson } = JSON;
const uncurried = (method) => Function.prototype.call.bind(method); // a program may patch prototypes
const replaceAll = uncurried(String.prototype.replaceAll); // a scan as fast as no regular expression
const isWellFormed = uncurried(String.prototype.isWellFormed);
const PREFIX = "devl";

leaveOutUnless((value) => {
  try {
    flatten(value, []);
    return true;
  } catch {
    return false;
  }
});

/** Return the text of a value; throws a TypeError that names the path of what cannot be stored. */
export function stringify(value) {
  const longs = [];
  // These three stand only inside strings, so that replacing them in the whole text is safe.
  let text = replaceAll(jsonOf(flatten(value, longs), longs), "<", "\\u003C");
  text = replaceAll(text, "\u2028", "\\u2028");
  return PREFIX + replaceAll(text, "\u2029", "\\u2029");
}

// Return the JSON text of a flat array or sentinel. The engine quotes strings character by character; a long one that
// needs no escapes is put between quotes instead.
function jsonOf(flat, longs) {
  const parts = [];
  let from = 0; // of the elements that are not written yet
  for (let at = 0; at < longs.length; at++) {
    const index = longs[at];
    if (!isPlain(flat[index])) continue;
    if (index > from) parts.push(stringifyJson(flat.slice(from, index)).slice(1, -1));
    parts.push(`"${flat[index]}"`);
    from = index + 1;
  }
  if (from === 0) return stringifyJson(flat);
  if (from < flat.length) parts.push(stringifyJson(flat.slice(from)).slice(1, -1));
  return `[${parts.join(",")}]`;
}

// Tell whether a string stands in JSON as it is: the parser, which scans faster than anything else here, stumbles over
// quotes and control characters, and what has escapes it reads as something shorter.
function isPlain(text) {
  try {
    return isWellFormed(text) && parseJson(`"${text}"`) === text;
  } catch {
    return false;
  }
}

/** Return the value of a text; throws a SyntaxError if it is damaged, a TypeError if it needs what is not here. */
export function parse(text) {
  if (!text.startsWith(PREFIX)) throw new SyntaxError(`${JSON.stringify(text.slice(0, 20))} is no codec text`);
  let flat;
  try {
    flat = parseJson(text.slice(PREFIX.length));
  } catch (cause) {
    throw new SyntaxError(`this is not devalue text, or it was damaged: ${cause.message}`, { cause });
  }
  return hydrate(flat);
}
