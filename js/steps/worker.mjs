// Runs the steps of a project of the Workflow SDK: `node worker.mjs PROJECT STEPS FD`, started by a Torpor worker.
//
// STEPS is the module that registers them, FD the socket that attempts come by. Each runs in the SDK's own context of a
// step; what is passed to it and what it returns travel as the SDK writes them.

import { createRequire } from "node:module";
import { join } from "node:path";
import { types } from "node:util";
import { pathToFileURL } from "node:url";
import { Channel } from "./channel.mjs";
import { importFrom } from "./packages.mjs";
import { readPythonValues } from "./python-values.mjs";
import { beWorld, calls, CallStreams } from "./world.mjs";

const RETRIES_DEFAULT = 3;
const REGISTRY = Symbol.for("@workflow/core//registeredSteps");
const CONTEXT = Symbol.for("WORKFLOW_STEP_CONTEXT_STORAGE");
const USE_STEP = Symbol.for("WORKFLOW_USE_STEP");
const PREFIX = "devl";

const [project, stepsModule, fd] = process.argv.slice(2);
const encoder = new TextEncoder();
const answers = new Map(); // number of a question → what takes the answer
const running = new Map(); // number of a call → its AbortController
let questions = 0;
let serialization;

// What a module says of a step of another language is for workflow code; here it is only evaluated.
globalThis[USE_STEP] = (stepId) =>
  Object.assign(
    () => {
      throw new Error(`${stepId} is a step of another language; call it in workflow code`);
    },
    { stepId },
  );
for (const event of ["uncaughtException", "unhandledRejection"]) {
  process.on(event, (error) => console.error(`${event} behind a step:`, error)); // of nobody's attempt any more
}

// Version 4 of the SDK leaves `require` to whoever imports what it builds.
globalThis.require ??= createRequire(join(project, "package.json"));

readPythonValues();
const channel = new Channel(Number(fd), receive);
try {
  beWorld(ask, (await importFrom(project, "@workflow/world")).SPEC_VERSION_CURRENT);
  serialization = await importFrom(project, "@workflow/core", "./serialization");
  await import(pathToFileURL(stepsModule).href);
  channel.send({ type: "ready", steps: [...(globalThis[REGISTRY]?.keys() ?? [])] });
} catch (error) {
  channel.send({ type: "broken", why: String(error?.stack ?? error) });
}

function receive(header, body) {
  switch (header.type) {
    case "step":
      carryOut(header, body);
      break;
    case "cancel":
      running.get(header.call)?.abort(new Error("the attempt of this step was given up"));
      break;
    case "answer":
      settle(header, body);
      break;
  }
}

function ask(call, method, args, ...bodies) {
  return new Promise((resolve, reject) => {
    const question = ++questions;
    answers.set(question, { resolve, reject });
    channel.send({ type: "ask", question, call, method, args }, ...bodies);
  });
}

function settle({ question, value, error }, body) {
  const waiting = answers.get(question);
  answers.delete(question);
  if (error === undefined) waiting?.resolve({ value, body });
  else waiting?.reject(Object.assign(new Error(error.message), error));
}

async function carryOut(header, input) {
  const { call } = header;
  const controller = new AbortController();
  running.set(call, controller);
  try {
    const [outcome, body] = await calls.run({ id: call, runId: header.runId, stepId: header.stepId, started: 0, streams: new CallStreams() }, () =>
      attempt(header, input, controller.signal),
    );
    if (!controller.signal.aborted) channel.send({ type: "outcome", call, ...outcome }, body);
  } finally {
    running.delete(call);
  }
}

async function attempt(header, input, signal) {
  const ops = [];
  const before = []; // what must be done before the outcome counts
  try {
    const step = globalThis[REGISTRY]?.get(header.step);
    if (typeof step !== "function") throw fatal(`step ${header.step} is not registered in ${project}`);
    return await made(step, header, input, signal, ops, before);
  } catch (error) {
    await Promise.allSettled(before);
    return failed(error, header);
  }
}

async function made(step, header, input, signal, ops, before) {
  const { runId } = header;
  const streamStates = [];
  const given = await serialization.hydrateStepArguments(
    input, runId, undefined, ops, globalThis, {}, undefined, streamStates,
  );
  if (given.kwargs !== undefined && Object.keys(given.kwargs).length > 0) {
    throw fatal(`step ${header.step} takes its arguments by position, not by name`);
  }
  const context = {
    stepMetadata: {
      stepName: header.step,
      stepId: header.stepId,
      stepStartedAt: new Date(header.startedAt),
      attempt: header.attempt,
    },
    workflowMetadata: {
      workflowName: header.workflow,
      workflowRunId: runId,
      workflowStartedAt: new Date(header.workflowStartedAt),
      url: header.url,
      features: { encryption: false },
    },
    ops,
    preCompletionOps: before,
    streamStates,
    closureVars: given.closureVars,
    torpor: {
      signal,
      progress: header.progress,
      heartbeat: (progress) => channel.send({ type: "beat", call: header.call, progress: progress ?? null }),
    },
  };
  let result;
  try {
    result = await globalThis[CONTEXT].run(context, () => step.apply(given.thisVal ?? null, given.args));
  } finally {
    serialization.cancelAbortReaders?.(given.args, given.thisVal, given.closureVars);
  }
  const body = await serialized(result, runId, ops, streamStates);
  await Promise.all(before);
  return [{ outcome: "completed" }, body];
}

/** Return what a step has returned as it is stored, once what it has written is. */
async function serialized(result, runId, ops, streamStates) {
  const returned = [];
  const body = await globalThis[CONTEXT].exit(() =>
    serialization.dehydrateStepReturnValue(result, runId, undefined, returned, globalThis, false, true),
  );
  // A stream that it returns is written to its end. Others may be left open, and may be read by nobody.
  const { streams } = calls.getStore();
  await Promise.all(streamStates.map((state) => state.settleReleasedWrites?.()));
  await Promise.all([Promise.all(returned), ops.length > 0 && Promise.race([Promise.all(ops), streams.quiet()])]);
  return body;
}

async function failed(error, { step, failures, maxRetries: wanted }) {
  trimmed(error);
  const isFatal = error?.name === "FatalError" || error?.fatal === true || error?.name === "AbortError";
  const maxRetries = wanted ?? globalThis[REGISTRY]?.get(step)?.maxRetries ?? RETRIES_DEFAULT;
  const about = { told: told(error) };
  if (isFatal) return [{ outcome: "failed", ...about }, await serializedError(error)];
  if (failures >= maxRetries) {
    const many = maxRetries === 1 ? "retry" : "retries";
    const wrapped = fatal(`Step "${step}" failed after ${maxRetries} ${many}: ${messageOf(error)}`);
    wrapped.cause = error;
    if (error?.stack) wrapped.stack = error.stack;
    return [{ outcome: "failed", ...about }, await serializedError(wrapped)];
  }
  const due = error?.name === "RetryableError" ? Number(error.retryAfter) : null;
  return [{ outcome: "retrying", due, ...about }, await serializedError(error)];
}

/** Leave out of an error's stack what called the step. */
function trimmed(error, seen = new Set()) {
  if (!types.isNativeError(error) || seen.has(error)) return;
  seen.add(error);
  if (typeof error.stack === "string") {
    const lines = error.stack.split("\n");
    const own = lines.findIndex((line) => line.includes(import.meta.url));
    if (own > 0) error.stack = lines.slice(0, own).join("\n");
  }
  trimmed(error.cause, seen);
}

/** Return an error as it is stored. Version 4 of the SDK stores the message and the stack only. */
async function serializedError(error) {
  try {
    if (serialization.dehydrateStepError !== undefined) {
      return await serialization.dehydrateStepError(error, calls.getStore().runId, undefined);
    }
  } catch (problem) {
    return plainError("Error", `${messageOf(error)} (the error itself could not be stored: ${messageOf(problem)})`, error);
  }
  return plainError(error?.name === "RetryableError" ? "Error" : "FatalError", messageOf(error), error);
}

function plainError(type, message, { stack } = {}) {
  const shown = typeof stack === "string" ? stack : message;
  const text = type === "Error"
    ? [["Error", 1], { name: 2, message: 3, stack: 4 }, "Error", message, shown]
    : [[type, 1], { message: 2, stack: 3 }, message, shown];
  return encoder.encode(PREFIX + JSON.stringify(text));
}

function fatal(message) {
  return Object.assign(new Error(message), { name: "FatalError", fatal: true });
}

function messageOf(error) {
  return types.isNativeError(error) || typeof error?.message === "string" ? String(error.message) : String(error);
}

function told(error) {
  const name = typeof error?.name === "string" ? error.name : "Error";
  return `${name}: ${messageOf(error)}`.slice(0, 2000);
}
