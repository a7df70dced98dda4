import { generated, lines, shouted, summary, xored } from "../steps";

export async function stream(chunks: number, pause: number) {
  "use workflow";
  return await shouted(await lines(chunks, pause));
}

export async function pipeline(transforms: number, bytes: number, size: number, pause: number) {
  "use workflow";
  let made = await generated(bytes, size, pause);
  for (let i = 0; i < transforms; i++) made = await xored(made);
  return made;
}

export async function parallelStreams(streams: number, bytes: number, size: number, pause: number) {
  "use workflow";
  const made = await Promise.all(Array.from({ length: streams }, () => generated(bytes, size, pause)));
  return await summary(made, bytes, false);
}

export async function fanOutFanIn(streams: number, bytes: number, size: number, pause: number) {
  "use workflow";
  const made = await Promise.all(Array.from({ length: streams }, () => generated(bytes, size, pause)));
  const different = await Promise.all(made.map((each) => xored(each)));
  return await summary(different, bytes, true);
}
