import { hangs, held } from "../freezing.py";

export async function holds(gate) {
  "use workflow";
  return await held(gate);
}

export async function blocks(seconds) {
  "use workflow";
  return await hangs(seconds);
}
