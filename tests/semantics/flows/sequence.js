import { createHook, getWorkflowMetadata } from "workflow";
import { double } from "../plain_steps.py";
import { whichRun } from "./helping.js";
import {
  add, add_twice, describe_itself, describe_run, describe_run_later, echo, multiply, name_of_thread, render,
} from "../steps.py";

let calls = 0;

export async function addTen(n) {
  "use workflow";
  const a = await add(n, 2);
  const b = await add(a, 3);
  return await add(b, 5);
}

export async function countThenWait(n, token) {
  "use workflow";
  let total = 0;
  for (let i = 0; i < n; i++) total = await add(total, 1);
  await createHook({ token });
  return total;
}

export async function importedStepOnly(n) {
  "use workflow";
  return await double(n);
}

export async function callsSyncSteps(n) {
  "use workflow";
  return [await multiply(n, 3), await name_of_thread()];
}

export async function callsInside(n) {
  "use workflow";
  return await add_twice(n);
}

export async function nullByte() {
  "use workflow";
  const text = "null byte \0";
  return [text, await echo(text)];
}

export async function metadata() {
  "use workflow";
  const { workflowName, workflowRunId, workflowStartedAt, url } = getWorkflowMetadata();
  return { name: workflowName, runId: workflowRunId, startedAt: workflowStartedAt, url, step: await describe_itself() };
}

export async function metadataInSteps() {
  "use workflow";
  return [getWorkflowMetadata(), await describe_run(), await describe_run_later()];
}

export async function helperMetadata() {
  "use workflow";
  await add(1, 1);
  return whichRun();
}

export async function importMeta() {
  "use workflow";
  await add(1, 1);
  return import.meta.url;
}

export async function renderedInStep(name) {
  "use workflow";
  return await render("Dear $name, $$5 are due.", { name });
}

export async function logs() {
  "use workflow";
  console.log("before", 1);
  await add(1, 1);
  console.warn("after");
}

export async function countsItsCalls() {
  "use workflow";
  calls += 1;
  await add(1, 1);
  return calls;
}

export async function draws() {
  "use workflow";
  const draw = () => [Math.random(), crypto.randomUUID(), Date.now()];
  const first = draw();
  await add(1, 1);
  return [...first, ...draw()];
}
