import { createHook, FatalError, sleep, start } from "workflow";
import { add, fatal, flaky, slow, tell } from "../application.py";

export async function seq_js(n) {
  "use workflow";
  let total = 0;
  for (let i = 0; i < n; i++) total = await add(total, i);
  return total;
}

export async function fan_js(n) {
  "use workflow";
  return await Promise.all(Array.from({ length: n }, (_, i) => add(i, i)));
}

export async function hooked_js(token) {
  "use workflow";
  const got = [];
  for (let i = 0; i < 3; i++) {
    const payload = await createHook({ token: `${token}:${i}` });
    got.push(await add(payload.v, 1));
  }
  return got;
}

export async function timers_js(ms) {
  "use workflow";
  return await Promise.all(ms.map(async (m) => {
    await sleep(m);
    return await add(m, 1);
  }));
}

export async function child_js(n) {
  "use workflow";
  await sleep(Math.random() * 500);
  return await add(n, n);
}

export async function parent_js(n) {
  "use workflow";
  const runs = [];
  for (let i = 0; i < n; i++) runs.push(await start(child_js, [i]));
  const got = [];
  for (const run of runs) got.push(await run.returnValue);
  return got;
}

export async function retry_js(times) {
  "use workflow";
  let total = (await flaky(5, times)) + (await slow(7, 0.7));
  try {
    await fatal();
  } catch (error) {
    if (FatalError.is(error)) total += 100;
  }
  return total;
}

export async function stay_js(token) {
  "use workflow";
  await add(1, 1);
  return String(await createHook({ token }));
}

export async function race_js(ms) {
  "use workflow";
  await sleep(ms);
  return await add(1, 2);
}

export async function told_js(count) {
  "use workflow";
  return await tell(count);
}
