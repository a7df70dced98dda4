import { createHook, sleep } from "workflow";
import { add } from "../steps.py";

const HOUR = 3_600_000;

export async function sleeping(duration) {
  "use workflow";
  const before = Date.now();
  await sleep(duration);
  return Date.now() - before;
}

export async function parallelSleep() {
  "use workflow";
  const before = Date.now();
  await Promise.all(Array.from({ length: 10 }, () => sleep("1h")));
  return Date.now() - before;
}

export async function sleepInLoop(n) {
  "use workflow";
  const gaps = [];
  for (let i = 0; i < n; i++) {
    const before = Date.now();
    await sleep(HOUR);
    gaps.push(Date.now() - before);
  }
  return gaps;
}

export async function sleepWithSequentialSteps() {
  "use workflow";
  const order = [];
  const night = sleep("8h").then(() => order.push("night"));
  for (let i = 0; i < 3; i++) order.push(await add(i, 1));
  await night;
  return order;
}

export async function deadline(token) {
  "use workflow";
  return await Promise.race([sleep("1h").then(() => "expired"), createHook({ token })]);
}
