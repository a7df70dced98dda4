import { createHook, sleep } from "workflow";
import { add, slow, slowOnce } from "../steps.py";

export async function addTen(n) {
  "use workflow";
  const a = await add(n, 2);
  const b = await add(a, 3);
  return await add(b, 5);
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

export async function racesHooks(count) {
  "use workflow";
  let received = 0;
  for (let n = 0; n < count; n++) {
    const hook = createHook({ token: `race-${n}` });
    received += await Promise.race([hook, sleep("1h").then(() => 0)]);
    hook.dispose();
  }
  return received;
}
