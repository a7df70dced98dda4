import { echo } from "../steps.py";

export async function payload(steps, text) {
  "use workflow";
  for (let i = 0; i < steps; i++) text = await echo(text);
  return text;
}
