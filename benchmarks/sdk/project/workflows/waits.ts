import { wait } from "../steps";

export async function noSteps(input: number) {
  "use workflow";
  return input * 2;
}

export async function oneAfterAnother(steps: number, ms: number) {
  "use workflow";
  let total = 0;
  for (let i = 1; i <= steps; i++) total += await wait(ms, i);
  return total;
}

export async function allAtOnce(steps: number, ms: number) {
  "use workflow";
  const numbers = await Promise.all(Array.from({ length: steps }, (_, i) => wait(ms, i + 1)));
  return numbers.reduce((total, number) => total + number, 0);
}

export async function race(steps: number, ms: number) {
  "use workflow";
  const running = new Map(Array.from({ length: steps }, (_, i) => [i + 1, wait(ms, i + 1)]));
  let total = 0;
  while (running.size > 0) {
    const first = await Promise.race(running.values());
    running.delete(first);
    total += first;
  }
  return total;
}
