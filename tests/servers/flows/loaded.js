import { sleep } from "workflow";
import { add } from "../load.py";

// What a run does under load: steps one after another and at once, and short sleeps between.
export async function loaded(n) {
  "use workflow";
  let total = n;
  for (let i = 0; i < 3; i++) total = await add(total, 1);
  await sleep(30);
  const parts = await Promise.all([1, 2, 3].map((m) => add(total, m)));
  await sleep(30);
  return await add(parts.reduce((a, b) => a + b, 0), 0);
}
