// Steps that write, change and read streams of bytes.

const KEY = 0x5a;

type Bytes = ReadableStream<Uint8Array>;

async function lines(chunks: number, pause: number) {
  "use step";
  return paced(chunks, pause, (i) => new TextEncoder().encode(`${i} `.padEnd(99, "abcdefghij") + "\n"));
}

async function upperCased(given: Bytes) {
  "use step";
  return changed(given, (chunk) => new TextEncoder().encode(new TextDecoder().decode(chunk).toUpperCase()));
}

async function generated(bytes: number, size: number, pause: number) {
  "use step";
  return paced(bytes / size, pause, (i) => new Uint8Array(size).fill(i));
}

async function xored(given: Bytes) {
  "use step";
  return changed(given, (chunk) => chunk.map((byte) => byte ^ KEY));
}

async function summary(given: Bytes[], bytes: number, mask: number) {
  "use step";
  const sizes = await Promise.all(given.map((each) => checked(each, mask)));
  if (sizes.some((size) => size !== bytes)) throw new Error(`streams have ${sizes} bytes and not ${bytes}`);
  return paced(1, 0, () => new TextEncoder().encode(`${sizes.length} of ${bytes}`));
}

export async function stream(chunks: number, pause: number) {
  "use workflow";
  return await upperCased(await lines(chunks, pause));
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
  return await summary(made, bytes, 0);
}

export async function fanOutFanIn(streams: number, bytes: number, size: number, pause: number) {
  "use workflow";
  const made = await Promise.all(Array.from({ length: streams }, () => generated(bytes, size, pause)));
  const different = await Promise.all(made.map((each) => xored(each)));
  return await summary(different, bytes, KEY);
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
