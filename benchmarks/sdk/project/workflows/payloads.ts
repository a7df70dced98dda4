import { echo } from "../steps";

export async function payloadsOneAfterAnother(steps: number, text: string) {
  "use workflow";
  for (let i = 0; i < steps; i++) text = await echo(text);
  return text.length * steps;
}

export async function payloadsAtOnce(steps: number, text: string) {
  "use workflow";
  const texts = await Promise.all(Array.from({ length: steps }, () => echo(text)));
  return texts.reduce((total, each) => total + each.length, 0);
}
