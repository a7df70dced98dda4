import { createHook } from "workflow";
import { add } from "../steps.py";

// A past of steps, then a wait for somebody, then one step more.
export async function waiting(steps, token) {
  "use workflow";
  let total = 0;
  for (let i = 0; i < steps; i++) total = await add(total, 1);
  const hook = createHook({ token });
  return await add(total, await hook);
}
