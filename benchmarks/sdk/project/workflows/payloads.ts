// Steps that take and return a text, and do nothing else.

async function passOn(text: string) {
  "use step";
  return text;
}

export async function payloadsOneAfterAnother(steps: number, text: string) {
  "use workflow";
  for (let i = 0; i < steps; i++) text = await passOn(text);
  return text.length * steps;
}

export async function payloadsAtOnce(steps: number, text: string) {
  "use workflow";
  const texts = await Promise.all(Array.from({ length: steps }, () => passOn(text)));
  return texts.reduce((total, each) => total + each.length, 0);
}
