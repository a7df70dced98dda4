// A prompt inside a parked VM: source is evaluated in the global scope, and what came of it told as text.

import { takeLines } from "torpor:console";
import { inspect } from "torpor:inspect";

const globally = eval; // called by another name, it does not see this module's scope
const UNFINISHED = /unexpected token in expression: ''|expecting '[^']*'$|unexpected end/i;

let evaluation = { text: "", incomplete: false };

/** Evaluate; the host drains jobs and then asks `evaluated`. */
export function evaluate(source) {
  takeLines();
  evaluation = { text: "", incomplete: false };
  try {
    const value = run(source);
    tell(value);
    if (value instanceof Promise) value.then(tell, tellError);
  } catch (error) {
    if (error instanceof SyntaxError && UNFINISHED.test(error.message)) evaluation.incomplete = true;
    else tellError(error);
  }
}

/** Return what was printed, and below it the value, or the error with its stack. */
export function evaluated() {
  const printed = takeLines().map(({ text }) => text);
  const { text, incomplete } = evaluation;
  return JSON.stringify({ text: [...printed, ...(text === "" ? [] : [text])].join("\n"), incomplete });
}

function run(source) {
  try {
    return globally(source);
  } catch (error) {
    if (!(error instanceof SyntaxError) || !/\bawait\b/.test(source)) throw error;
    return globally(`(async () => (${source}\n))()`);
  }
}

function tell(value) {
  evaluation.text = value === undefined ? "" : inspect(value);
}

function tellError(error) {
  evaluation.text = error instanceof Error ? (error.stack ?? String(error)).trimEnd() : `Uncaught ${inspect(error)}`;
}
