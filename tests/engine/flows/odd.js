import { createHook, sleep } from "workflow";
import {
  big, cancelsItself, counted, exits, held, interrupts, leaves, leavesAsync, mute, naps, odd, stops, stubborn, wrongDelay,
} from "../odd_steps.py";

const raising = { cancelsItself, exits, interrupts, leaves, leavesAsync, mute, odd, stops, wrongDelay };

export async function callsOdd(name) {
  "use workflow";
  try {
    await raising[name]();
  } catch (error) {
    return error.name;
  }
  return "returned";
}

export async function bigThenWaits(n, size, token) {
  "use workflow";
  let total = 0;
  for (let i = 0; i < n; i++) total += await big("x".repeat(size));
  await createHook({ token });
  return total;
}

export async function isHeld() {
  "use workflow";
  return await held();
}

export async function racesHeld(ms) {
  "use workflow";
  return await Promise.race([sleep(ms).then(() => "timer"), held()]);
}

export async function racesPayload(token) {
  "use workflow";
  return await Promise.race([createHook({ token }), held()]);
}

export async function runsStubborn() {
  "use workflow";
  return await stubborn();
}

export async function napsTogether(n, ms) {
  "use workflow";
  return await Promise.all(Array.from({ length: n }, () => naps(ms)));
}

export async function counts() {
  "use workflow";
  const n = await counted();
  await sleep(1);
  return n;
}

export async function spinsAtOnce() {
  "use workflow";
  for (;;);
}
