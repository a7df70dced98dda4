// A small bootstrap for tests of the host: steps, logs and plain JSON as codec.

import { state } from "torpor:state";

const workflows = new Map();
let loading = { ok: false, error: { name: "Error", message: "nothing was loaded", stack: "" } };
let deliveries = [];

export function load(text) {
  const program = JSON.parse(text);
  if (program.trace) traceClock();
  evaluateModules(program).then(
    () => (loading = { ok: true, impure: state.impure }),
    (e) => (loading = { ok: false, error: { name: e.name, message: e.message, stack: e.stack ?? "" } }),
  );
}

async function evaluateModules(program) {
  for (const entry of program.entries) await import(entry);
  for (const [name, [module, exported]] of Object.entries(program.workflows)) {
    workflows.set(name, (await import(module))[exported]);
  }
}

function traceClock() {
  const now = Date.now;
  Date.now = () => {
    state.impure ??= new Error().stack.match(/\.\/[^:)\s]+:\d+/)?.[0];
    return now();
  };
}

export function loaded() {
  return JSON.stringify(loading);
}

export function begin(text) {
  const { workflow, args, entropy } = JSON.parse(text);
  if (!workflows.has(workflow)) throw new Error(`no workflow ${workflow}`);
  state.entropy = entropy;
  (async () => workflows.get(workflow)(...JSON.parse(args)))().then(
    (value) => (state.outcome = { status: "completed", value: JSON.stringify(value) ?? "null" }),
    (error) => (state.outcome = { status: "failed", error: `${error.name}: ${error.message}` }),
  );
}

export function inbox(text) {
  const [head, ...texts] = text.split("\n");
  deliveries = JSON.parse(head);
  for (const delivery of deliveries) {
    for (const key of ["value", "error"]) if (delivery[key] === "") delivery[key] = texts.shift();
  }
}

export function next() {
  const { type, op, value, error } = deliveries.shift();
  const [resolve, reject] = state.waiting.get(op);
  state.waiting.delete(op);
  if (type === "step_failed") reject(new Error(error));
  else resolve(value === undefined ? undefined : JSON.parse(value));
}

export function outbox() {
  const { ops, logs } = state;
  state.ops = [];
  state.logs = [];
  return JSON.stringify({ ops, logs, ...state.outcome });
}

let evaluation = "";

export function evaluate(source) {
  evaluation = JSON.stringify({ text: String((0, eval)(source)) });
}

export function evaluated() {
  return evaluation;
}
