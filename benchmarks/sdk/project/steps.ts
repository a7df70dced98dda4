// The steps of all workflows. They wait, or pass on what they get, or write, change and read streams of bytes: what an engine
// takes beyond that is its own. `../steps.py` has them in Python.

const KEY = 0x5a;

type Bytes = ReadableStream<Uint8Array>;

export async function wait(ms: number, number: number) {
  "use step";
  await new Promise((resolve) => setTimeout(resolve, ms));
  return number;
}

export async function echo(text: string) {
  "use step";
  return text;
}

export async function lines(chunks: number, pause: number) {
  "use step";
  return paced(chunks, pause, (i) => new TextEncoder().encode(`${i} `.padEnd(99, "abcdefghij") + "\n"));
}

export async function shouted(given: Bytes) {
  "use step";
  return changed(given, (chunk) => new TextEncoder().encode(new TextDecoder().decode(chunk).toUpperCase()));
}

export async function generated(bytes: number, size: number, pause: number) {
  "use step";
  return paced(bytes / size, pause, (i) => new Uint8Array(size).fill(i));
}

export async function xored(given: Bytes) {
  "use step";
  return changed(given, (chunk) => chunk.map((byte) => byte ^ KEY));
}

export async function summary(given: Bytes[], bytes: number, isXored: boolean) {
  "use step";
  const sizes = await Promise.all(given.map((each) => checked(each, isXored ? KEY : 0)));
  if (sizes.some((size) => size !== bytes)) throw new Error(`streams have ${sizes} bytes and not ${bytes}`);
  return paced(1, 0, () => new TextEncoder().encode(`${sizes.length} of ${bytes}`));
}

function paced(chunks: number, pause: number, chunk: (i: number) => Uint8Array): Bytes {
  return new ReadableStream({
    async start(controller) {
      for (let i = 0; i < chunks; i++) {
        controller.enqueue(chunk(i));
        if (pause > 0) await new Promise((resolve) => setTimeout(resolve, pause));
      }
      controller.close();
    },
  });
}

function changed(given: Bytes, change: (chunk: Uint8Array) => Uint8Array): Bytes {
  return given.pipeThrough(
    new TransformStream({
      transform(chunk, controller) {
        controller.enqueue(change(chunk));
      },
    }),
  );
}

/** Return how many bytes a stream has, each of which says which chunk it was made in: the next one's number is one more. */
async function checked(given: Bytes, mask: number) {
  let bytes = 0;
  let last = 0;
  for await (const chunk of given as any) {
    for (const byte of [chunk[0], chunk[chunk.length - 1]]) {
      const number = byte ^ mask;
      if (number < last) throw new Error("chunks come in another order than they were written");
      last = number;
    }
    bytes += chunk.length;
  }
  return bytes;
}
