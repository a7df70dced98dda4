// Requests, responses, streams and abort signals: handles, which hold what was stored of them and nothing more.
//
// A workflow reads their fields and passes them on. What would need the world outside (reading a body, writing to a
// stream, aborting) throws and says that it is for a step.

const { assign, defineProperty } = Object;
const { Headers } = globalThis; // a program may replace it

class Handle {
  constructor(fields) {
    assign(this, fields);
  }
}

/** `method`, `url`, `headers`, `body` (a ReadableStream or null), `duplex`; `signal` and `responseWritable` if any. */
export class Request extends Handle {}

/** `type`, `url`, `status`, `statusText`, `headers`, `body` (a ReadableStream or null), `redirected`. */
export class Response extends Handle {
  get ok() {
    return this.status >= 200 && this.status <= 299;
  }
}

/** `name`, and `type` ("bytes") and `framing` if any; or `bodyInit`, the content of a body that was given at once. */
export class ReadableStream extends Handle {}

/** `name`, and `runId` of the run that it belongs to if that is another one. */
export class WritableStream extends Handle {}

/** `streamName`, `hookToken`, `aborted`, `reason`. */
export class AbortSignal extends Handle {
  throwIfAborted() {
    if (this.aborted) throw this.reason;
  }
}

/** The fields of its `signal`. */
export class AbortController extends Handle {
  #signal;

  get signal() {
    return (this.#signal ??= new AbortSignal(this));
  }
}

const BODY = ["arrayBuffer", "blob", "bytes", "clone", "formData", "json", "text"];
const ONLY_IN_STEPS = [
  [Request, BODY], [Response, BODY],
  [ReadableStream, ["cancel", "getReader", "pipeThrough", "pipeTo", "tee", "values", Symbol.asyncIterator]],
  [WritableStream, ["abort", "close", "getWriter"]],
  [AbortSignal, ["addEventListener", "removeEventListener", "dispatchEvent"]], [AbortController, ["abort"]],
];

for (const [Type, methods] of ONLY_IN_STEPS) {
  for (const method of methods) {
    const value = () => {
      const called = typeof method === "symbol" ? method.description : `${Type.name}.${method}`;
      throw new TypeError(`${called} is not available in workflow code; pass the ${Type.name} to a step instead`);
    };
    defineProperty(Type.prototype, method, { value, writable: true, configurable: true });
  }
}

const isAbort = ({ streamName, aborted }) => typeof streamName === "string" && typeof aborted === "boolean";

/** Name → entry. */
export const handleTypes = {
  Request: entry(Request, ({ method, url, headers }) => areTexts(method, url) && headers instanceof Headers),
  Response: entry(Response, ({ status, headers }) => typeof status === "number" && headers instanceof Headers),
  ReadableStream: entry(ReadableStream, (fields) => "bodyInit" in fields || areTexts(fields.name)),
  WritableStream: entry(WritableStream, ({ name }) => areTexts(name)),
  AbortController: entry(AbortController, isAbort),
  AbortSignal: entry(AbortSignal, isAbort),
};

/** [class, name of its entry] */
export const HANDLES = ONLY_IN_STEPS.map(([Type]) => [Type, Type.name]);

function entry(Type, isComplete) {
  return {
    encode: (handle) => ({ ...handle }),
    begin: () => new Type(),
    decode(fields, begun = new Type()) {
      if (!isComplete(fields)) throw new TypeError("it lacks fields, or has them of another type");
      return assign(begun, fields);
    },
  };
}

function areTexts(...fields) {
  return fields.every((field) => typeof field === "string");
}
