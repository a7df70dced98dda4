import { add } from "../steps.py";

export async function sequential(steps) {
  "use workflow";
  let total = 0;
  for (let i = 0; i < steps; i++) total = await add(total, 1);
  return total;
}
