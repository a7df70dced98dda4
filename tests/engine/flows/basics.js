import { FatalError, RetryableError, createHook, getWorkflowMetadata, sleep } from "workflow";
import { add, fails, fatal, greet, later, nothing, pickyThread, slow, slowOnce, tooBig, unstable } from "../steps.py";

export async function addTen(n) {
  "use workflow";
  const a = await add(n, 2);
  const b = await add(a, 3);
  return await add(b, 5);
}

export async function all() {
  "use workflow";
  const letters = await Promise.all(["A", "B", "C"].map((letter) => greet(letter)));
  return letters.join("");
}

export async function fan(n) {
  "use workflow";
  const sums = await Promise.all(Array.from({ length: n }, (_, i) => add(i, 1)));
  return sums.reduce((a, b) => a + b, 0);
}

export async function many(n) {
  "use workflow";
  let total = 0;
  for (let i = 0; i < n; i++) total = await add(total, 1);
  return total;
}

export async function sleeps(ms) {
  "use workflow";
  const before = Date.now();
  await sleep(ms);
  return Date.now() - before;
}

export async function parallelSleeps() {
  "use workflow";
  const before = Date.now();
  await Promise.all(Array.from({ length: 10 }, () => sleep("100ms")));
  return Date.now() - before;
}

export async function waits(token) {
  "use workflow";
  const payload = await createHook({ token });
  return { got: payload, sum: await add(payload.n, 1) };
}

export async function collects(token) {
  "use workflow";
  const seen = [];
  for await (const payload of createHook({ token })) {
    seen.push(payload.n);
    if (payload.last) break;
  }
  return seen;
}

export async function conflicts(token) {
  "use workflow";
  const owner = await createHook({ token }).getConflict();
  return owner === null ? "mine" : owner.runId;
}

export async function conflictThrows(token) {
  "use workflow";
  try {
    await createHook({ token });
  } catch (error) {
    return { name: error.name, token: error.token };
  }
}

export async function waitsForReply(token) {
  "use workflow";
  const hook = createHook({ token });
  if ((await hook.getConflict()) !== null) return "conflict";
  return await hook;
}

export async function disposes(token) {
  "use workflow";
  const first = createHook({ token });
  const payload = await first;
  first.dispose();
  await add(1, 1);
  return payload;
}

export async function retried() {
  "use workflow";
  return await unstable();
}

export async function catches() {
  "use workflow";
  try {
    return await fails();
  } catch (error) {
    return { name: error.name, message: error.message, cause: error.cause?.message, stack: error.cause?.stack };
  }
}

export async function catchesFatal() {
  "use workflow";
  try {
    return await fatal();
  } catch (error) {
    return FatalError.is(error);
  }
}

export async function retriesLater() {
  "use workflow";
  return await later();
}

export async function throwsNested() {
  "use workflow";
  try {
    await inner();
  } catch (error) {
    throw new TypeError("outer failed", { cause: error });
  }
}

async function inner() {
  await sleep(1);
  throw new RangeError("inner failed");
}

export async function threads() {
  "use workflow";
  return await pickyThread(20);
}

export async function runsSlow(ms) {
  "use workflow";
  return await slow(ms);
}

export async function timesOut() {
  "use workflow";
  return await slowOnce();
}

export async function racesHook(token, ms) {
  "use workflow";
  const hook = createHook({ token });
  const order = [];
  const step = slow(ms).then(() => order.push("step"));
  const reply = hook.then(() => order.push("hook"));
  await Promise.all([step, reply]);
  return order;
}

export async function says() {
  "use workflow";
  console.log("before", { a: 1 });
  await add(1, 1);
  console.warn("after");
}

export async function about() {
  "use workflow";
  const { workflowRunId, workflowName } = getWorkflowMetadata();
  return { workflowRunId, workflowName };
}

export async function draws() {
  "use workflow";
  const first = [Math.random(), crypto.randomUUID(), Date.now()];
  await add(1, 1);
  return [...first, Math.random(), crypto.randomUUID()];
}

export async function spins() {
  "use workflow";
  await add(1, 1);
  for (;;);
}

export async function hoards() {
  "use workflow";
  const kept = [];
  for (;;) kept.push(new Uint8Array(1 << 20).fill(1));
}

export async function floods() {
  "use workflow";
  await Promise.all(Array.from({ length: 10_001 }, () => sleep(1000)));
}

export async function returnsTooMuch() {
  "use workflow";
  return "x".repeat(17 * 1024 * 1024);
}

export async function getsTooMuch() {
  "use workflow";
  return await tooBig();
}

export async function returnsFunction() {
  "use workflow";
  return { nested: [() => 1] };
}

export async function passesNothing() {
  "use workflow";
  return (await nothing(undefined, null)) === null;
}

export async function forwardsRetryable() {
  "use workflow";
  throw new RetryableError("not now", { retryAfter: 1000 });
}
