import { getWritable, sleep } from "workflow";

async function counted() {
  "use step";
  return new ReadableStream<Uint8Array>({
    async start(controller) {
      for (let i = 0; i < 10; i++) {
        controller.enqueue(new TextEncoder().encode(`${i}\n`));
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
      controller.close();
    },
  });
}

async function textOf(stream: ReadableStream<Uint8Array>) {
  "use step";
  let text = "";
  const decoder = new TextDecoder();
  for await (const chunk of stream as any) text += decoder.decode(chunk);
  return text;
}

export async function readable() {
  "use workflow";
  return textOf(await counted());
}

export async function returnedStream() {
  "use workflow";
  return counted();
}

async function write(writable: WritableStream<unknown>, values: unknown[]) {
  "use step";
  const writer = writable.getWriter();
  for (const value of values) await writer.write(value);
  writer.releaseLock();
}

async function end(writable: WritableStream<unknown>) {
  "use step";
  await writable.close();
}

export async function output() {
  "use workflow";
  const writable = getWritable();
  const named = getWritable({ namespace: "named" });
  await write(writable, ["one", { two: 2 }]);
  await write(named, ["elsewhere"]);
  await write(writable, ["three"]);
  await end(writable);
  await end(named);
}

async function writeInside() {
  "use step";
  const writer = getWritable().getWriter();
  await writer.write("from within");
  await writer.close();
}

export async function outputInside() {
  "use workflow";
  await writeInside();
}

async function bytes(writable: WritableStream<unknown>) {
  "use step";
  const writer = writable.getWriter();
  await writer.write(new Uint8Array([1, 2, 3]));
  await writer.close();
}

export async function outputBytes() {
  "use workflow";
  await bytes(getWritable());
}

export async function writesTo(writable: WritableStream<unknown>) {
  "use workflow";
  await write(writable, ["by the child"]);
  await end(writable);
}

export async function longSleep() {
  "use workflow";
  await sleep("1 day");
  return "slept";
}
