// Requests, responses, streams and abort signals: handles, which hold what was stored of them and nothing more.
//
// A workflow reads their fields and passes them on; it makes requests and responses of content that it has. What would
// need the world outside (reading a body that steps made, writing to a stream, aborting) throws and says that it is for a
// step.

const { assign, create, defineProperty, entries } = Object;
const { Headers, URL } = globalThis; // a program may replace them
const { parse: parseJson, stringify: stringifyJson } = JSON;
const tagOf = Function.prototype.call.bind(Object.prototype.toString);
const encoder = new TextEncoder();
const decoder = new TextDecoder();
const FIRST_STATUS = 200;
const LAST_STATUS = 599;
const EMPTY_STATUSES = [101, 103, 204, 205, 304];
const REDIRECTS = [301, 302, 303, 307, 308];

class Handle {
  constructor(fields) {
    assign(this, fields);
  }
}

class Stream {
  constructor() {
    refuseToMake(new.target.name);
  }
}

/** `name`, `runId`, and `type` ("bytes") and `framing` if any; or `bodyInit`, the content of a body that was given. */
export class ReadableStream extends Stream {
  static from() {
    refuseToMake("ReadableStream");
  }
}

/** `name`, and `runId` of the run that it belongs to; `type` ("bytes") if it carries bytes. */
export class WritableStream extends Stream {}

/** There are none: what transforms a stream is a step that reads one and writes another. */
export class TransformStream {
  constructor() {
    throw new TypeError(
      "a TransformStream is not available in workflow code; write a step that reads one stream and writes another",
    );
  }
}

/** `method`, `url`, `headers`, `body` (a ReadableStream or null), `duplex`; `signal` and `responseWritable` if any. */
export class Request {
  constructor(input, init = {}) {
    const from = input instanceof Request ? input : { url: new URL(input).href, method: "GET", headers: [], body: null };
    const { method = from.method, headers = from.headers, body = from.body, signal = from.signal } = init;
    const name = method.toUpperCase();
    if (body !== null && (name === "GET" || name === "HEAD")) throw new TypeError(`a ${name} request has no body`);
    assign(this, { method: name, url: from.url, headers: new Headers(headers), duplex: "half" });
    this.body = bodyOf(body, this.headers);
    if (signal !== undefined && signal !== null) this.signal = signal;
  }
}

/** `type`, `url`, `status`, `statusText`, `headers`, `body` (a ReadableStream or null), `redirected`. */
export class Response {
  constructor(body = null, { status = FIRST_STATUS, statusText = "", headers = [] } = {}) {
    if (!Number.isInteger(status) || status < FIRST_STATUS || status > LAST_STATUS) {
      throw new RangeError(`the status of a response is a number from ${FIRST_STATUS} to ${LAST_STATUS}, not ${status}`);
    }
    if (body !== null && EMPTY_STATUSES.includes(status)) throw new TypeError(`a response of status ${status} has no body`);
    assign(this, { type: "default", url: "", status, statusText: String(statusText), headers: new Headers(headers) });
    assign(this, { body: bodyOf(body, this.headers), redirected: false });
  }

  get ok() {
    return this.status >= 200 && this.status <= 299;
  }

  static json(data, init = {}) {
    const headers = new Headers(init.headers);
    if (!headers.has("content-type")) headers.set("content-type", "application/json");
    return new Response(stringifyJson(data), { ...init, headers });
  }

  static redirect(url, status = 302) {
    if (!REDIRECTS.includes(status)) throw new RangeError(`${status} is no status of a redirect`);
    return new Response(null, { status, headers: { location: new URL(url).href } });
  }
}

/** What both have: the content of a body that was given at once; a promise, as for one that is on its way. */
const CONTENT = {
  async text() {
    return decoder.decode(contentOf(this, "text"));
  },
  async json() {
    return parseJson(decoder.decode(contentOf(this, "json")));
  },
  async bytes() {
    return contentOf(this, "bytes");
  },
  async arrayBuffer() {
    return contentOf(this, "arrayBuffer").buffer;
  },
  clone() {
    return assign(create(this.constructor.prototype), this, { headers: new Headers(this.headers) });
  },
};

for (const Type of [Request, Response]) {
  for (const [name, value] of entries(CONTENT)) {
    defineProperty(Type.prototype, name, { value, writable: true, configurable: true });
  }
}

/** Return the body that content makes, a stream as it is, and say in the headers what it is if they do not. */
function bodyOf(content, headers) {
  if (content === null || content === undefined) return null;
  if (content instanceof ReadableStream) return content;
  const [bodyInit, type] = tagOf(content) === "[object URLSearchParams]"
    ? [String(content), "application/x-www-form-urlencoded;charset=UTF-8"]
    : content instanceof ArrayBuffer || ArrayBuffer.isView(content)
      ? [content]
      : [String(content), "text/plain;charset=UTF-8"];
  if (type !== undefined && !headers.has("content-type")) headers.set("content-type", type);
  return assign(create(ReadableStream.prototype), { bodyInit });
}

function contentOf({ constructor, body }, method) {
  if (body === null) return new Uint8Array();
  const { bodyInit } = body;
  if (typeof bodyInit === "string") return encoder.encode(bodyInit);
  if (bodyInit instanceof ArrayBuffer) return new Uint8Array(bodyInit.slice());
  if (ArrayBuffer.isView(bodyInit)) {
    return new Uint8Array(bodyInit.buffer.slice(bodyInit.byteOffset, bodyInit.byteOffset + bodyInit.byteLength));
  }
  return onlyInSteps(constructor, method);
}

function refuseToMake(name) {
  const get = name === "WritableStream" ? "getWritable()" : "getReadable()";
  throw new TypeError(
    `a ${name} cannot be made in workflow code; take one of the run's, ${get} from "workflow", and pass it to a step`,
  );
}

function onlyInSteps(Type, method) {
  const called = typeof method === "symbol" ? method.description : `${Type.name}.${method}`;
  throw new TypeError(`${called} is not available in workflow code; pass the ${Type.name} to a step instead`);
}

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

const ONLY_IN_STEPS = [
  [Request, ["blob", "formData"]], [Response, ["blob", "formData"]],
  [ReadableStream, ["cancel", "getReader", "pipeThrough", "pipeTo", "tee", "values", Symbol.asyncIterator]],
  [WritableStream, ["abort", "close", "getWriter"]],
  [AbortSignal, ["addEventListener", "removeEventListener", "dispatchEvent"]], [AbortController, ["abort"]],
];

for (const [Type, methods] of ONLY_IN_STEPS) {
  for (const method of methods) {
    const value = () => onlyInSteps(Type, method);
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
  // The constructors of all others are for authors.
  const made = Type.prototype instanceof Handle ? () => new Type() : () => create(Type.prototype);
  return {
    encode: (handle) => ({ ...handle }),
    begin: made,
    decode(fields, begun = made()) {
      if (!isComplete(fields)) throw new TypeError("it lacks fields, or has them of another type");
      return assign(begun, fields);
    },
  };
}

function areTexts(...fields) {
  return fields.every((field) => typeof field === "string");
}
