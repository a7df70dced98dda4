import { getWritable, sleep } from "workflow";

async function add(first: number, second: number) {
  "use step";
  return first + second;
}

async function write(stream: WritableStream<Uint8Array>, text: string) {
  "use step";
  const writer = stream.getWriter();
  await writer.write(new TextEncoder().encode(text));
  writer.releaseLock();
  return text;
}

async function close(stream: WritableStream<Uint8Array>) {
  "use step";
  await stream.close();
}

export async function sequentialStepsWorkflow(input: number) {
  "use workflow";
  return await add(await add(await add(input, 2), 3), 5);
}

export async function sequentialStepsWithStreamWorkflow() {
  "use workflow";
  const stream = getWritable<Uint8Array>();
  const told = (await write(stream, "hello")) + (await write(stream, " world"));
  await close(stream);
  return told;
}

export async function sleepWorkflow() {
  "use workflow";
  await sleep("1s");
  return await add(1, 2);
}

export async function parallelStepsWorkflow() {
  "use workflow";
  const [first, second] = await Promise.all([add(10, 1), add(20, 2)]);
  return first + second;
}
