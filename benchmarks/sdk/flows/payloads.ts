// The workflows of project/workflows/payloads.ts with steps in Python.

import { pass_on } from "../steps.py";

export async function payloadsOneAfterAnother(steps: number, text: string) {
  "use workflow";
  for (let i = 0; i < steps; i++) text = await pass_on(text);
  return text.length * steps;
}

export async function payloadsAtOnce(steps: number, text: string) {
  "use workflow";
  const texts: string[] = await Promise.all(Array.from({ length: steps }, () => pass_on(text)));
  return texts.reduce((total, each) => total + each.length, 0);
}
