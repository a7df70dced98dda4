// What the host calls. Every function takes and returns at most one string.
//
// load → (jobs) → loaded → begin → (jobs) → outbox, then inbox → next, (jobs), next, (jobs) … → outbox, for ever.

import { installWeb } from "torpor:web-mended"; // before all that keeps the globals that a program may replace
import { awaitsAck, cleansUp, deliver as deliverToOp, endRun, run, takeLeft, takeOps } from "torpor:run";
import { CancelledError, cancelRun, setCleanupBlocks } from "torpor:cancelling";
import { parse, registerClass, stringify } from "torpor:codec";
import { installConsole, logError, stampLoadLines, takeLines } from "torpor:console";
import { installAbsences } from "torpor:absent";
import { installAborting } from "torpor:aborting";
import { mailboxReport } from "torpor:mailbox";
import { impurePlace, traceImpurity } from "torpor:purity";
import { evaluate as evaluateSource, evaluated as evaluatedSource } from "torpor:prompt";
import { answered, nameQueries } from "torpor:queries";
export { interrupted, whereabouts } from "torpor:interrupted";
import { installFetch } from "torpor:fetching";
import { installRandom, seedRandom } from "torpor:random";
import { installStacks, setLineMaps } from "torpor:stacks";
import { installSteps } from "torpor:steps";
import { forgetKept } from "torpor:web-weak";

const SERIALIZE = Symbol.for("workflow-serialize");

const workflows = new Map(); // workflow name → function
const homes = new Map(); // workflow name → its module
let answer; // to the query that was asked last
let loading = { ok: false, error: { name: "Error", message: "nothing was loaded", stack: "" } };
let deliveries = [];
let outcome; // { status, value or error } once the run has ended
let settled = false; // the workflow function of a cancelled run has; others may still clean up

installStacks();
installWeb();
installRandom();
installConsole();
installAbsences();
installSteps();
installAborting();
installFetch();

/** Begin to evaluate the program's modules; the host drains jobs and then asks `loaded`. */
export function load(text) {
  const program = JSON.parse(text);
  setLineMaps(program.line_maps);
  setCleanupBlocks(program.cleanup);
  if (program.trace) traceImpurity();
  loading = { ok: false, error: unsettled(program.entries[0]) };
  evaluateModules(program).then(
    () => {
      loading = { ok: true, impure: impurePlace() };
    },
    (error) => {
      loading = { ok: false, error: describe(error) };
    },
  );
}

export function loaded() {
  return JSON.stringify(loading);
}

async function evaluateModules({ entries, workflows: names }) {
  const modules = new Map();
  for (const entry of entries) {
    loading.error = unsettled(entry);
    const module = await import(entry);
    modules.set(entry, module);
    registerClasses(entry, module);
    nameQueries(entry, module);
  }
  for (const [name, [module, exported]] of Object.entries(names)) {
    const workflow = modules.get(module)?.[exported];
    if (typeof workflow !== "function") throw new TypeError(`${module} exports no function ${exported}`);
    workflows.set(name, workflow);
    homes.set(name, module);
    nameWorkflow(workflow, name);
  }
}

/** Let a workflow function be a value, and what `start` takes; one that is exported twice goes by its first name. */
function nameWorkflow(workflow, name) {
  if (!Object.hasOwn(workflow, "workflowId")) Object.defineProperty(workflow, "workflowId", { value: name });
}

/** Make exported classes with custom serialization known as `class//<module>//<export>`. */
function registerClasses(entry, module) {
  for (const [name, value] of Object.entries(module)) {
    if (typeof value === "function" && Object.hasOwn(value, SERIALIZE)) registerClass(`class//${entry}//${name}`, value);
  }
}

/** Start the workflow function. */
export function begin(text) {
  const { run_id: id, workflow, args, at, url, entropy } = JSON.parse(text);
  const body = workflows.get(workflow);
  if (body === undefined) throw new Error(`the program has no workflow ${workflow}`);
  Object.assign(run, { id, workflow, url, at, startedAt: at, phase: "running" });
  seedRandom(entropy);
  stampLoadLines(at);
  // An async wrapper turns a synchronous throw, and arguments that cannot be read, into a failed run.
  (async () => body(...parse(args)))().then(complete, fail);
}

/** Take deliveries in log order, to be applied one by one; their codec texts stand on lines of their own. */
export function inbox(text) {
  const end = text.indexOf("\n");
  deliveries = JSON.parse(end < 0 ? text : text.slice(0, end));
  const places = [];
  for (const delivery of deliveries) {
    if (delivery.value === "") places.push([delivery, "value"]);
    if (delivery.error === "") places.push([delivery, "error"]);
  }
  // To look for line breaks in a text that fills the rest of the message would cost as much as to parse it.
  const rest = text.slice(end + 1);
  const texts = places.length === 1 ? [rest] : rest.split("\n");
  places.forEach(([delivery, key], at) => (delivery[key] = texts[at]));
}

/** Apply the next delivery. */
export function next() {
  forgetKept();
  const delivery = deliveries.shift();
  if (delivery.type === "run_cancelling") cancelRun(delivery);
  else if (delivery.type === "run_forked") beAnother(delivery);
  else deliverToOp(delivery);
}

/** Be another run from now on, with its own entropy. */
function beAnother(delivery) {
  run.at = Math.max(run.at, delivery.at);
  const { id, tokens, entropy } = parse(delivery.value);
  run.id = id;
  seedRandom(entropy);
  for (const [op, token] of Object.entries(tokens)) {
    deliverToOp({ type: "hook_renamed", op: Number(op), at: run.at, token });
  }
}

/** Hand out what is new since the last call: JSON, and behind it codec texts on lines of their own. */
export function outbox() {
  const texts = [];
  const aside = (holder, key) => {
    if (holder[key] === undefined) return;
    texts.push(holder[key]);
    holder[key] = "";
  };
  const ops = takeOps();
  for (const op of ops) aside(op, "input");
  if (settled && !cleansUp()) endCancelled();
  // What is not in it is as the host takes it for: nothing, and still pending.
  const message = { ops, logs: takeLines(), left: takeLeft(), ...mailboxReport(), ...outcome };
  if (awaitsAck()) message.awaits_ack = true;
  aside(message, "value");
  aside(message, "error");
  return [JSON.stringify(message), ...texts].join("\n");
}

/** Evaluate source in a parked VM; what begins with a zero is no source, but a query. */
export function evaluate(text) {
  answer = text.startsWith("\0") ? answered(text.slice(1), homes.get(run.workflow), encodeThrown) : undefined;
  if (answer === undefined) evaluateSource(text);
}

export function evaluated() {
  return answer ?? evaluatedSource();
}

function complete(value) {
  settled = run.cancelled !== null;
  if (settled) return;
  try {
    outcome = { status: "completed", value: stringify(value) };
    endRun();
  } catch (cause) {
    fail(new TypeError(`the result of ${run.workflow} cannot be stored: ${cause.message}`, { cause }));
  }
}

function endCancelled() {
  settled = false;
  endRun();
  outcome = { status: "cancelled" };
}

function fail(thrown) {
  if (run.cancelled !== null && run.phase === "running") {
    if (!CancelledError.is(thrown)) logError(`the run failed while it cleaned up: ${describe(thrown).stack || thrown}`);
    settled = true;
    return;
  }
  endRun();
  outcome = { status: "failed", error: encodeThrown(thrown) };
}

function encodeThrown(thrown) {
  try {
    return stringify(thrown);
  } catch (problem) {
    const { name, message, stack } = describe(thrown);
    const substitute = new Error(`${message} (the thrown value cannot be stored: ${problem.message})`);
    Object.assign(substitute, { name, stack });
    return stringify(substitute);
  }
}

function describe(thrown) {
  try {
    if (thrown instanceof Error) {
      return { name: String(thrown.name), message: String(thrown.message), stack: String(thrown.stack) };
    }
    return { name: "Error", message: String(thrown), stack: "" };
  } catch {
    return { name: "Error", message: "a value that cannot be shown was thrown", stack: "" };
  }
}

function unsettled(module) {
  const message = `the top-level await of ${module} never settles: nothing happens while modules are loaded`;
  return { name: "Error", message, stack: "" };
}
