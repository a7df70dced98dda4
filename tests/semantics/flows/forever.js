import { createHook } from "workflow";
import { add } from "../steps.py";

export async function manySteps(steps, token) {
  "use workflow";
  let total = 0;
  for (let half = 1; half <= 2; half++) {
    for (let i = 0; i < steps; i++) total = await add(total, 1);
    await createHook({ token: `${token} ${half}` });
  }
  return total;
}
