import { add } from "../steps.py";

export async function fanout(steps) {
  "use workflow";
  const sums = await Promise.all(Array.from({ length: steps }, (_, i) => add(i, 1)));
  return sums.reduce((a, b) => a + b, 0);
}
