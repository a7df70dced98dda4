import { add, echo, fails, never } from "../steps.py";

export async function promiseAll() {
  "use workflow";
  const letters = await Promise.all(["A", "B", "C"].map((letter) => echo(letter)));
  return letters.join("");
}

export async function promiseRace() {
  "use workflow";
  return await Promise.race([never(), echo("fastest"), never()]);
}

export async function promiseAny() {
  "use workflow";
  return await Promise.any([fails(), never(), echo("first success")]);
}

export async function neverEnds() {
  "use workflow";
  await never();
}

export async function promiseRaceStress() {
  "use workflow";
  const running = new Map([0, 1, 2, 3, 4].map((index) => [index, echo(index)]));
  const order = [];
  while (running.size > 0) {
    const index = await Promise.race(running.values());
    order.push(index);
    running.delete(index);
  }
  return order;
}

export async function fanOut(n) {
  "use workflow";
  const sums = await Promise.all(Array.from({ length: n }, (_, i) => add(i, 1)));
  return sums.reduce((a, b) => a + b, 0);
}

export async function oneOfManyFails() {
  "use workflow";
  try {
    await Promise.all([echo("a"), fails(), never()]);
  } catch (error) {
    return error.message;
  }
}
