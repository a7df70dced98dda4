import { aliased } from "@helpers/alias";
import { farAway } from "../helpers/steps-only";
import { coordinates, sum, vector } from "../helpers/vector";
import { fetch, FatalError, getStepMetadata, getWorkflowMetadata, sleep } from "workflow";

async function add(a: number, b: number) {
  "use step";
  return a + b;
}

export async function addTen(n: number) {
  "use workflow";
  return add(await add(await add(n, 2), 3), 5);
}

async function after(ms: number, value: string) {
  "use step";
  await new Promise((resolve) => setTimeout(resolve, ms));
  return value;
}

async function rejects(): Promise<never> {
  "use step";
  throw new FatalError("rejected on purpose");
}

export async function all() {
  "use workflow";
  return (await Promise.all([after(30, "A"), after(10, "B"), after(20, "C")])).join("");
}

export async function race() {
  "use workflow";
  return Promise.race([after(4000, "A"), after(10, "B"), after(4000, "C")]);
}

export async function any() {
  "use workflow";
  return Promise.any([rejects(), after(50, "B"), after(4000, "C")]);
}

export async function raceStress() {
  "use workflow";
  const open = new Map([0, 1, 2, 3, 4].map((n) => [n, indexed(n, 5 * (5 - n))]));
  const done: number[] = [];
  while (open.size > 0) {
    const n = await Promise.race(open.values());
    done.push(n);
    open.delete(n);
  }
  return done;
}

async function indexed(n: number, ms: number) {
  "use step";
  await new Promise((resolve) => setTimeout(resolve, ms));
  return n;
}

export async function importedStep() {
  "use workflow";
  return farAway();
}

export async function pathsAlias() {
  "use workflow";
  return aliased;
}

export async function nullByte() {
  "use workflow";
  return withNullByte();
}

async function withNullByte() {
  "use step";
  return "null byte \0";
}

export async function metadata() {
  "use workflow";
  const here = getWorkflowMetadata();
  const { workflow, step } = await metadataInStep();
  return { here, workflow, step, helper: helper() };
}

function helper() {
  return getWorkflowMetadata().workflowRunId;
}

async function metadataInStep() {
  "use step";
  return { workflow: getWorkflowMetadata(), step: getStepMetadata() };
}

export async function sleeping(ms: number) {
  "use workflow";
  const begun = Date.now();
  await sleep(ms);
  return Date.now() - begun;
}

export async function sleepingInWords() {
  "use workflow";
  await Promise.all([sleep("20ms"), sleep(new Date(Date.now() + 20)), sleep("0.02 seconds"), sleep(new Date(0))]);
  return "slept";
}

export async function parallelSleep() {
  "use workflow";
  const begun = Date.now();
  await Promise.all(Array.from({ length: 10 }, () => sleep("1s")));
  return Date.now() - begun;
}

export async function sleepInLoop() {
  "use workflow";
  const gaps: number[] = [];
  for (let i = 0; i < 3; i++) {
    const begun = Date.now();
    await sleep("60ms");
    await add(i, 1);
    gaps.push(Date.now() - begun);
  }
  return gaps;
}

export async function sleepWithSequentialSteps() {
  "use workflow";
  let shouldCancel = false;
  const timer = sleep("1 day").then(() => (shouldCancel = true));
  const a = await add(1, 2);
  const b = await add(a, 3);
  const c = await add(b, 4);
  void timer;
  return { a, b, c, shouldCancel };
}

export async function fetched(url: string) {
  "use workflow";
  const response = await fetch(url);
  return [response.status, await response.json()];
}

export async function crossContext() {
  "use workflow";
  const [a, b] = await Promise.all([vector(1, 2), vector(3, 4)]);
  return coordinates(await sum(a, b));
}

export async function environment() {
  "use workflow";
  return [process.env.SDK_CASE_ALLOWED, process.env.SDK_CASE_HIDDEN, Object.isFrozen(process.env)];
}

export async function calledDirectly(n: number) {
  "use workflow";
  return callsAnother(n);
}

async function callsAnother(n: number) {
  "use step";
  return (await add(n, 3)) + 1;
}

export async function importMeta() {
  "use workflow";
  return fromImportMeta();
}

async function fromImportMeta() {
  "use step";
  return import.meta.url.startsWith("file:");
}

export async function missingStep() {
  "use workflow";
  const missing = (globalThis as any)[Symbol.for("WORKFLOW_USE_STEP")]("step//./workflows/basics//neverWritten");
  return missing();
}
