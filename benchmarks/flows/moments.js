import { sleep } from "workflow";
import { add } from "../steps.py";

// A run of moments: a step, an hour's sleep, and so on.
export async function moments(times) {
  "use workflow";
  let total = 0;
  for (let n = 0; n < times; n++) {
    total = await add(total, 1);
    await sleep("1h");
  }
  return total;
}
