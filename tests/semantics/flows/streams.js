import { createHook, getReadable, getRun, getWritable, start } from "workflow";
import {
  closeStream, countdown, failsOnce, joined, lettersInThread, readAll, reversed, shout, writeBytes, writeNumbers,
  writeSlowly, writeTo,
} from "./stream_steps.py";

export async function readableStream() {
  "use workflow";
  return await countdown(10);
}

export async function outputStream() {
  "use workflow";
  const writable = getWritable();
  await writeTo(writable, ["first", "second", "third"]);
  await closeStream(writable);
  return "done";
}

export async function outputStreamInStep() {
  "use workflow";
  await writeNumbers(5);
  return "done";
}

export async function namedStreams() {
  "use workflow";
  const news = getWritable({ namespace: "news/ü" });
  const rest = getWritable({ namespace: "rest" });
  await Promise.all([writeTo(news, [1, 2]), writeTo(rest, ["a"]), writeTo(getWritable(), [null])]);
  await closeStream(news);
  return [news, rest];
}

export async function writableToChild(child) {
  "use workflow";
  const writable = getWritable({ namespace: "family" });
  await writeTo(writable, ["from the parent"]);
  const run = await start(child, [writable]);
  const told = await run.returnValue;
  await closeStream(writable);
  return told;
}

export async function writingChild(writable) {
  "use workflow";
  await writeTo(writable, ["from the child"]);
  return "written";
}

export async function pipeline(words) {
  "use workflow";
  const letters = await lettersInThread(words);
  const loud = await shout(letters);
  return await joined(await reversed(loud));
}

export async function bytesStream() {
  "use workflow";
  await writeBytes(getWritable({ namespace: "file", type: "bytes" }), 3);
  return await readAll(getReadable({ namespace: "file", startIndex: 1 }));
}

export async function streamsAreClosed() {
  "use workflow";
  const writable = getWritable();
  await writeTo(writable, [1]);
  await closeStream(writable);
  await closeStream(writable);
  try {
    await writeTo(writable, [2]);
  } catch (error) {
    return [error.name, error.cause?.name ?? null];
  }
}

export async function attempts() {
  "use workflow";
  return await failsOnce();
}

export async function streamsAreOpaque() {
  "use workflow";
  const told = {};
  const tries = {
    write: () => getWritable().getWriter(),
    close: () => getWritable().close(),
    read: () => getReadable().getReader(),
    make: () => new ReadableStream({ start() {} }),
    makeWritable: () => new WritableStream(),
    transform: () => new TransformStream(),
    type: () => getWritable({ type: "text" }),
    name: () => getWritable({ namespace: 7 }),
    start: () => getReadable({ startIndex: "1" }),
  };
  for (const [name, act] of Object.entries(tries)) {
    try {
      told[name] = String(act());
    } catch (error) {
      told[name] = `${error.name}: ${error.message}`;
    }
  }
  return told;
}

export async function streamsOfAnother(runId) {
  "use workflow";
  const run = getRun(runId);
  return [await readAll(run.readable), await readAll(run.getReadable({ namespace: "rest", startIndex: -1 }))];
}

export async function sleepingStream(token) {
  "use workflow";
  const kept = { writable: getWritable({ namespace: "kept" }), readable: await countdown(3) };
  const given = await createHook({ token });
  await writeTo(kept.writable, await readAll(kept.readable));
  await writeTo(given, ["to the one given"]);
  await closeStream(kept.writable);
  return kept.readable;
}

export async function liveStream() {
  "use workflow";
  const raw = { namespace: "raw" };
  const [written, read] = await Promise.all([writeSlowly(getWritable(raw), 3), readAll(getReadable(raw))]);
  return [written, read];
}

export async function givenReadable(readable) {
  "use workflow";
  return await readAll(readable);
}
