/** What version 4 of the SDK lacks: runs that workflows start, attributes, abort controllers. */
import { getWritable, setAttributes, sleep } from "workflow";
import { start } from "workflow/api";
import { applyTwice, multiply } from "./functions";
import { writesTo } from "./streams";

export async function takesStep(step: (a: number, b: number) => Promise<number>, n: number) {
  "use workflow";
  return [await step(n, 2), await step(n, 2), await applyTwice(step, n / 2 + 2)];
}

export async function stepAsStartArgument() {
  "use workflow";
  const run = await start(takesStep, [multiply, 4]);
  return run.returnValue;
}

export async function fibonacci(n: number): Promise<number> {
  "use workflow";
  if (n < 2) return n;
  const runs = [await start(fibonacci, [n - 1]), await start(fibonacci, [n - 2])];
  const [a, b] = await Promise.all(runs.map((run) => run.returnValue as Promise<number>));
  return a + b;
}

export async function forwarded() {
  "use workflow";
  const run = await start(writesTo, [getWritable()]);
  await run.returnValue;
}

export async function attributed() {
  "use workflow";
  await setAttributes({ customer: "c-17", gone: "x" });
  await setAttributes({ gone: undefined });
  await attributedInStep();
}

async function attributedInStep() {
  "use step";
  await setAttributes({ step: "s-1" });
}

async function untilAborted(signal: AbortSignal) {
  "use step";
  if (!signal.aborted) {
    await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
  }
  return String(signal.reason);
}

export async function aborted() {
  "use workflow";
  const controller = new AbortController();
  const waiting = untilAborted(controller.signal);
  await sleep("100ms");
  controller.abort("enough");
  return waiting;
}

async function abortsIt(controller: AbortController) {
  "use step";
  controller.abort("from a step");
}

export async function abortedByStep() {
  "use workflow";
  const controller = new AbortController();
  const waiting = untilAborted(controller.signal);
  await abortsIt(controller);
  const reason = await waiting;
  return [reason, controller.signal.aborted];
}
