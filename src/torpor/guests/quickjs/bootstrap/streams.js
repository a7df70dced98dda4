// Streams of runs: names to pass on. Steps write and read; nothing of what is in them comes here.

import { ReadableStream, WritableStream } from "torpor:codec-handles";
import { knownOptions } from "torpor:options";
import { run } from "torpor:run";

const { assign, create } = Object;
const NAME_CHARS_MAX = 256;
const encoder = new TextEncoder();
const encode = encoder.encode.bind(encoder);
const base64Of = Function.prototype.call.bind(Uint8Array.prototype.toBase64);

/**
 * Return a stream of this run, for steps, children and others to write to.
 *
 * `options` may have `namespace`, the name of the stream (the run's default one without), and `type`, "bytes" for raw
 * bytes. Throws TypeError or RangeError when they make no sense.
 */
export function getWritable(options) {
  return writableOf(ownId("getWritable"), options);
}

/**
 * Return a stream of this run, for steps and others to read.
 *
 * `options` may have `namespace`, the name of the stream (the run's default one without), and `startIndex`, the index of
 * the first chunk; a negative one counts from the end. Throws TypeError or RangeError when they make no sense.
 */
export function getReadable(options) {
  return readableOf(ownId("getReadable"), options);
}

export function writableOf(runId, options) {
  const { namespace, type = "" } = knownOptions("getWritable", options, ["namespace", "type"]);
  if (type !== "" && type !== "bytes") throw new TypeError(`getWritable: type is "bytes" or left out, not ${show(type)}`);
  const fields = { name: storedName("getWritable", runId, namespace), runId };
  return assign(create(WritableStream.prototype), type === "" ? fields : { ...fields, type });
}

export function readableOf(runId, options) {
  const { namespace, startIndex = 0 } = knownOptions("getReadable", options, ["namespace", "startIndex"]);
  if (!Number.isSafeInteger(startIndex)) {
    throw new TypeError(`getReadable: startIndex is the index of a chunk, not ${show(startIndex)}`);
  }
  const fields = { name: storedName("getReadable", runId, namespace), runId };
  return assign(create(ReadableStream.prototype), startIndex === 0 ? fields : { ...fields, startIndex });
}

/** Return what a run's stream is stored under; the host has the same rule. */
function storedName(what, runId, namespace = "") {
  if (typeof namespace !== "string") throw new TypeError(`${what}: namespace is a string, not ${show(namespace)}`);
  if (namespace.startsWith("strm_")) return namespace;
  if ([...namespace].length > NAME_CHARS_MAX) {
    throw new RangeError(`${what}: namespace has more than the ${NAME_CHARS_MAX} characters that are allowed`);
  }
  const own = `strm_${runId.replace(/^wrun_/, "")}_user`;
  if (namespace === "") return own;
  return `${own}_${base64Of(encode(namespace), { alphabet: "base64url", omitPadding: true })}`;
}

function ownId(what) {
  if (run.phase === "loading") {
    throw new Error(`${what} was called while the module was loaded; call it inside a workflow function`);
  }
  return run.id;
}

function show(value) {
  return typeof value === "string" ? JSON.stringify(value) : String(value);
}
