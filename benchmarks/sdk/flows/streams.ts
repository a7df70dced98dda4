// The workflows of project/workflows/streams.ts with steps in Python, each of which writes a stream of bytes of a name.

import { generated, lines, summary, upper_cased, xored } from "../steps.py";

const KEY = 0x5a;

export async function stream(chunks: number, pause: number) {
  "use workflow";
  return await upper_cased("upper", await lines("lower", chunks, pause));
}

export async function pipeline(transforms: number, bytes: number, size: number, pause: number) {
  "use workflow";
  let made = await generated("generated", bytes, size, pause);
  for (let i = 1; i <= transforms; i++) made = await xored(`xored-${i}`, made);
  return made;
}

export async function parallelStreams(streams: number, bytes: number, size: number, pause: number) {
  "use workflow";
  return await summary("summary", await many(streams, bytes, size, pause), bytes, 0);
}

export async function fanOutFanIn(streams: number, bytes: number, size: number, pause: number) {
  "use workflow";
  const made = await many(streams, bytes, size, pause);
  const different = await Promise.all(made.map((each, i) => xored(`xored-${i}`, each)));
  return await summary("summary", different, bytes, KEY);
}

function many(streams: number, bytes: number, size: number, pause: number): Promise<unknown[]> {
  return Promise.all(Array.from({ length: streams }, (_, i) => generated(`generated-${i}`, bytes, size, pause)));
}
