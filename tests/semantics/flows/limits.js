import { sleep } from "workflow";
import { add, too_big } from "../steps.py";

export async function behaves(n) {
  "use workflow";
  return await add(n, 1);
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
  return await too_big();
}

export async function returnsFunction() {
  "use workflow";
  return { nested: [() => 1] };
}
