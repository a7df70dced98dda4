// Values ⇄ texts: "devl", then the devalue flat format. It is one JSON array in which the root is element 0 and
// containers hold indexes: `[{"to":1,"cc":2},"ada",[1]]` is `{ to: "ada", cc: ["ada"] }`.

import { flatten } from "torpor:codec-flatten";
import { hydrate } from "torpor:codec-hydrate";

export { registerClass, reviveStepsWith } from "torpor:codec-code";
export { FatalError, HookConflictError, RetryableError } from "torpor:codec-errors";
export { PythonValue } from "torpor:codec-python";

const { parse: parseJson, stringify: stringifyJson } = JSON;
const replaceAll = Function.prototype.call.bind(String.prototype.replaceAll); // a scan as fast as no regular expression
const PREFIX = "devl";

/** Return the text of a value; throws a TypeError that names the path of what cannot be stored. */
export function stringify(value) {
  // These three stand only inside strings, so that replacing them in the whole text is safe.
  let text = replaceAll(stringifyJson(flatten(value)), "<", "\\u003C");
  text = replaceAll(text, "\u2028", "\\u2028");
  return PREFIX + replaceAll(text, "\u2029", "\\u2029");
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
