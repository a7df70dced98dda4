// Queries: functions that look at a copy of this run from outside, and what workflow code publishes for them.

import { run } from "torpor:run";
import { parse, stringify } from "torpor:codec";

const registered = new Set(); // functions that `query` was given
const named = new Map(); // export name → [[module, function], …]
const published = {};

/** Register a function as a query, under the name by which its module exports it. */
export function query(answer) {
  if (typeof answer !== "function") throw new TypeError(`query takes a function, not ${typeof answer}`);
  registered.add(answer);
  return answer;
}

/** Publish values under their names, for queries, and return all that are published; they are no copies. */
export function state(values = {}) {
  if (typeof values !== "object" || values === null) throw new TypeError("state takes an object of values by name");
  return { ...Object.assign(published, values) };
}

/** Note the queries that a module exports. */
export function nameQueries(module, exported) {
  for (const [name, value] of Object.entries(exported)) {
    if (registered.has(value)) named.set(name, [...(named.get(name) ?? []), [module, value]]);
  }
}

/** Return the answer to a query as JSON: `value` or `error`. `own` is the module of the run's workflow. */
export function answered(message, own, encodeThrown) {
  run.phase = "queried";
  try {
    const { name, args } = JSON.parse(message);
    const value = found(name, own)(...parse(args));
    if (value instanceof Promise) {
      throw new TypeError(`query ${name} is asynchronous, and a query cannot wait; write a plain function`);
    }
    return JSON.stringify({ value: stringify(value) });
  } catch (error) {
    return JSON.stringify({ error: encodeThrown(error) });
  }
}

function found(name, own) {
  const all = named.get(name) ?? [];
  const mine = all.filter(([module]) => module === own);
  const chosen = mine.length > 0 ? mine : all;
  if (chosen.length === 1) return chosen[0][1];
  if (chosen.length > 1) {
    const modules = chosen.map(([module]) => module).join(", ");
    throw new TypeError(`several modules export a query ${name}: ${modules}; give one of them another name`);
  }
  const known = [...named.keys()].sort().join(", ") || "none";
  throw new TypeError(
    `the program of this run has no query ${name}; it has ${known}. Export query(() => …) from the workflow's file; ` +
      "runs keep the program that they began with",
  );
}
