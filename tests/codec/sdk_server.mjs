// Answers the tests with the TypeScript Workflow SDK: one JSON request per line, `[function, ...arguments]`, one JSON
// answer per line.
//
// The SDK is the npm package @workflow/core. What it hydrates for a workflow and dehydrates as a step's arguments
// passes through all its reducers and revivers, and through its envelope.

import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const [folder] = process.argv.slice(2);
const modulesOf = (name) => import(pathToFileURL(`${folder}/node_modules/@workflow/${name}`));
const sdk = await modulesOf("core/dist/serialization.js");
const { FatalError, HookConflictError, RetryableError } = await modulesOf("errors/dist/index.js");

const RUN = "wrun_01K00000000000000000000000";
const decoder = new TextDecoder();
const encoder = new TextEncoder();

// ── What a program has: a class, steps, workflows ─────────────────────────────────────────────────────────────────

const SERIALIZE = Symbol.for("workflow-serialize");
const DESERIALIZE = Symbol.for("workflow-deserialize");

class Point {
  static classId = "class//./shapes.js//Point";
  static [SERIALIZE] = ({ x, y }) => ({ x, y });
  static [DESERIALIZE] = ({ x, y }) => new Point(x, y);
  constructor(x, y) {
    Object.assign(this, { x, y });
  }
}

// A class for every id: Python's types have none in a program of the SDK, which holds their data in this test.
class Classes extends Map {
  get(classId) {
    if (!this.has(classId)) {
      const Standin = class {
        static classId = classId;
        static [SERIALIZE] = ({ data }) => data;
        static [DESERIALIZE] = (data) => Object.assign(new Standin(), { data });
      };
      this.set(classId, Standin);
    }
    return super.get(classId);
  }
}
globalThis[Symbol.for("workflow-class-registry")] = new Classes([[Point.classId, Point]]);

function stepFunction({ stepId, closureVars, ...bound }) {
  const step = Object.assign(() => {}, { stepId });
  if (closureVars !== undefined) step.__closureVarsFn = () => closureVars;
  if ("boundThis" in bound) step.__boundThis = bound.boundThis;
  if (bound.boundArgs) step.__boundArgs = bound.boundArgs;
  const bind = (boundThis, ...boundArgs) => stepFunction({ stepId, closureVars, boundThis, boundArgs });
  return Object.defineProperty(step, "bind", { value: bind });
}
globalThis[Symbol.for("WORKFLOW_USE_STEP")] = (stepId, closureVarsFn) =>
  stepFunction({ stepId, closureVars: closureVarsFn?.() });

// As in the SDK's sandbox these have no getters of their own, which newer versions of Node refuse to other objects.
const sandbox = Object.create(globalThis, {
  Request: { value: class Request {} },
  Response: { value: class Response {} },
});

const workflowFunction = (workflowId) => Object.assign(() => {}, { workflowId });
const still = (error, stack = "STACK") => Object.assign(error, { stack });
const named = (name, message) => Object.defineProperty(still(new Error(message)), "name", { value: name });

const parameters = {
  still, named, Point, stepFunction, workflowFunction, FatalError, RetryableError, HookConflictError,
};
const evaluate = new Function(...Object.keys(parameters), "expression", "return eval(`(${expression})`)");
const valueOf = (expression) => evaluate(...Object.values(parameters), expression);

// ── Requests ──────────────────────────────────────────────────────────────────────────────────────────────────────

const base64 = (bytes) => Buffer.from(bytes).toString("base64");
const bytesIn = (text) => new Uint8Array(Buffer.from(text, "base64"));
const keysOf = (key) => key && sdk.deriveRunPayloadKeys(bytesIn(key));
const read = (bytes, keys) => sdk.hydrateWorkflowArguments(bytes, RUN, keys, sandbox);
const write = (value, keys, compression = false) =>
  sdk.dehydrateStepArguments(value, RUN, keys, sandbox, false, compression);

const messages = (error) => (error.cause === undefined ? error.message : `${error.message} ${messages(error.cause)}`);
const outcome = async (action) => {
  try {
    return { returned: await action() };
  } catch (error) {
    return { name: error.name, message: messages(error) };
  }
};

const requests = {
  /** The text that the SDK writes for an expression. */
  write: async (expression) => decoder.decode(await write(valueOf(expression))),
  /** The texts that the SDK writes after it has read others. */
  rewrite(texts) {
    const again = async (text) => decoder.decode(await write(await read(encoder.encode(text))));
    return Promise.all(texts.map((text) => outcome(() => again(text))));
  },
  /** The envelope that the SDK writes after it has read another; both are base64, and so is the key of the run. */
  rewrap: async (envelope, key, compression) =>
    base64(await write(await read(bytesIn(envelope), await keysOf(key)), await keysOf(key), compression)),
  /** An envelope that the SDK seals to a run's public key, around one that it is given. */
  sealTo: async (envelope, publicKey) => base64(await sdk.encrypt(bytesIn(envelope), sdk.sealTo(bytesIn(publicKey)))),
  /** The values, as JSON data, that the SDK reads of frames that were stored; bytes are base64. */
  async readFrames(frames, key, type) {
    const through = type === "bytes" ? sdk.getByteUnframingStream() : sdk.getDeserializeStream(sdk.getExternalRevivers(globalThis, [], RUN), await keysOf(key));
    const stored = new Blob(frames.map(bytesIn)).stream();
    const values = [];
    for await (const value of stored.pipeThrough(through)) values.push(type === "bytes" ? base64(value) : value);
    return values;
  },
  /** The frames that the SDK stores of values, one each, in base64. */
  async writeFrames(expressions) {
    const values = new ReadableStream({
      start(controller) {
        for (const expression of expressions) controller.enqueue(valueOf(expression));
        controller.close();
      },
    });
    const frames = [];
    for await (const frame of values.pipeThrough(sdk.getSerializeStream(sdk.getExternalReducers(globalThis, [], RUN)))) frames.push(base64(frame));
    return frames;
  },
  /** The public half of the key pair that the SDK derives of a run's key. */
  publicKeyOf: async (key) => base64((await keysOf(key)).keyPair.publicKey),
};

for await (const line of createInterface({ input: process.stdin })) {
  const [name, ...args] = JSON.parse(line);
  console.log(JSON.stringify(await outcome(() => requests[name](...args))));
}
