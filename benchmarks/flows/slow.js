import { pause } from "../steps.py";

export async function slow(steps, ledger) {
  "use workflow";
  let total = 0;
  for (let i = 0; i < steps; i++) total = await pause(total, ledger);
  return total;
}
