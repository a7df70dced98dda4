// Answers the tests: one JSON request per line, `[function, ...arguments]`, one JSON answer per line.
//
// The guest's codec runs here beside the npm package devalue. The package is given reducers that reduce as the
// TypeScript SDK does, so that both should write the same texts.

import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

// QuickJS has these of its own, and so do newer versions of Node.
Uint8Array.prototype.toBase64 ??= function () {
  return Buffer.from(this.buffer, this.byteOffset, this.byteLength).toString("base64");
};
Uint8Array.fromBase64 ??= (text) => {
  if (text.length % 4 !== 0 || !/^[A-Za-z0-9+/]*=*$/.test(text)) throw new SyntaxError("not base64");
  return new Uint8Array(Buffer.from(text, "base64"));
};
Map.prototype.getOrInsert ??= function (key, value) {
  if (!this.has(key)) this.set(key, value);
  return this.get(key);
};

const { parse: fromJson, stringify: toJson } = JSON; // one test patches them
const [modules, devalueFolder] = process.argv.slice(2);
const codec = await import(pathToFileURL(`${modules}/codec.mjs`));
const devalue = devalueFolder && (await import(pathToFileURL(`${devalueFolder}/node_modules/devalue/index.js`)));
const { stringify, parse, FatalError, RetryableError, HookConflictError } = codec;

class Point {
  static classId = "class//./shapes.js//Point";
  static [Symbol.for("workflow-serialize")] = ({ x, y }) => ({ x, y });
  static [Symbol.for("workflow-deserialize")] = ({ x, y }) => new Point(x, y);
  constructor(x, y) {
    Object.assign(this, { x, y });
  }
}
codec.registerClass(Point.classId, Point);
codec.reviveStepsWith((payload) => stepFunction(payload));

function stepFunction({ stepId, closureVars, ...bound }) {
  const step = Object.assign(() => {}, { stepId });
  if (closureVars !== undefined) step.__closureVarsFn = () => closureVars;
  if ("boundThis" in bound) step.__boundThis = bound.boundThis;
  if (bound.boundArgs) step.__boundArgs = bound.boundArgs;
  return step;
}

const workflowFunction = (workflowId) => Object.assign(() => {}, { workflowId });

// An error whose stack does not depend on where it was made.
const still = (error, stack = "STACK") => Object.assign(error, { stack });
const named = (name, message) => Object.defineProperty(still(new Error(message)), "name", { value: name });

const evaluate = new Function(
  "still", "named", "Point", "stepFunction", "workflowFunction", "FatalError", "RetryableError", "HookConflictError",
  "expression", "return eval(`(${expression})`)",
);
const valueOf = (expression) =>
  evaluate(
    still, named, Point, stepFunction, workflowFunction, FatalError, RetryableError, HookConflictError, expression,
  );

// ── What a value is ───────────────────────────────────────────────────────────────────────────────────────────────

// Everything that two equal values have in common, as JSON: contents, classes, holes, and which objects are the same.
function shapeOf(value, seen = new Map()) {
  if (typeof value === "number") return Object.is(value, -0) ? "-0" : String(value);
  if (typeof value === "bigint") return `${value}n`;
  if (typeof value === "string") return JSON.stringify(value);
  if (value === null || (typeof value !== "object" && typeof value !== "function")) return String(value);
  if (seen.has(value)) return `same as ${seen.get(value)}`;
  seen.set(value, seen.size);
  const inner = (member) => shapeOf(member, seen);
  const fields = (names) => names.filter((name) => name in value).map((name) => [name, inner(value[name])]);
  const kind = Object.prototype.toString.call(value);
  const type = Object.getPrototypeOf(value)?.constructor.name;
  if (typeof value === "function") {
    const closure = value.__closureVarsFn?.();
    return [...fields(["classId", "stepId", "workflowId", "__boundThis", "__boundArgs"]), inner(closure)];
  }
  if (value instanceof Error) {
    const names = "name message stack cause errors token conflictingRunId retryAfter status url context".split(" ");
    return [type, ...fields(names)];
  }
  if (Array.isArray(value)) return [type, ...Array.from(value, (member, at) => (at in value ? inner(member) : "hole"))];
  if (ArrayBuffer.isView(value)) {
    return [type, ...new Uint8Array(value.buffer, value.byteOffset, value.byteLength)];
  }
  switch (kind.slice(8, -1)) {
    case "Date": return [type, inner(value.getTime())];
    case "ArrayBuffer": return [type, Array.from(new Uint8Array(value))];
    case "Map": return [type, ...Array.from(value, ([key, member]) => [inner(key), inner(member)])];
    case "Set": return [type, ...Array.from(value, inner)];
    case "Headers": return [type, ...value];
    case "RegExp": case "URL": case "URLSearchParams": return [type, String(value)];
    case "String": case "Number": case "Boolean": return [type, inner(value.valueOf())];
    default: return [type, Object.keys(value).map((key) => [key, inner(value[key])])];
  }
}

const isSame = (one, other) => JSON.stringify(shapeOf(one)) === JSON.stringify(shapeOf(other));

// ── What the TypeScript SDK does ──────────────────────────────────────────────────────────────────────────────────

const base64 = (view) => Buffer.from(view.buffer, view.byteOffset, view.byteLength).toString("base64") || ".";
const bytes = (text) => new Uint8Array(Buffer.from(text === "." ? "" : text, "base64"));
const errorFields = (error) => {
  const fields = { message: error.message, stack: error.stack };
  return "cause" in error ? { ...fields, cause: error.cause } : fields;
};
const isNamed = (value, name) => value instanceof Error && value.name === name;
const completed = (error, fields) => {
  const { name, message, ...rest } = fields;
  Object.assign(error, rest);
  if (name !== undefined && error.name !== name) error.name = name;
  return error;
};

const reducers = {
  Class: (value) => typeof value === "function" && value.classId && { classId: value.classId },
  Instance: (value) => value instanceof Point && { classId: Point.classId, data: { x: value.x, y: value.y } },
  StepFunction(value) {
    if (typeof value !== "function" || !value.stepId) return false;
    const payload = { stepId: value.stepId };
    if (value.__closureVarsFn) payload.closureVars = value.__closureVarsFn();
    if ("__boundThis" in value) payload.boundThis = value.__boundThis;
    if (value.__boundArgs) payload.boundArgs = value.__boundArgs;
    return payload;
  },
  WorkflowFunction: (value) => typeof value === "function" && value.workflowId && { workflowId: value.workflowId },
  ArrayBuffer: (value) => value instanceof ArrayBuffer && base64(new Uint8Array(value)),
  BigInt: (value) => typeof value === "bigint" && value.toString(),
  Date: (value) => value instanceof Date && (Number.isNaN(value.getTime()) ? "." : value.toISOString()),
  DOMException: (value) =>
    value instanceof DOMException && { message: value.message, name: value.name, stack: value.stack },
  HookConflictError: (value) =>
    isNamed(value, "HookConflictError") && {
      ...errorFields(value), token: value.token, conflictingRunId: value.conflictingRunId,
    },
  RetryableError: (value) =>
    isNamed(value, "RetryableError") && { ...errorFields(value), retryAfter: value.retryAfter.getTime() },
  AggregateError: (value) => isNamed(value, "AggregateError") && { ...errorFields(value), errors: value.errors },
  RuntimeDecryptionError: (value) =>
    isNamed(value, "RuntimeDecryptionError") && { ...errorFields(value), context: value.context },
  StreamError: (value) =>
    isNamed(value, "StreamError") && { ...errorFields(value), status: value.status, url: value.url },
  Headers: (value) => value instanceof Headers && [...value],
  Map: (value) => value instanceof Map && [...value],
  RegExp: (value) => value instanceof RegExp && { source: value.source, flags: value.flags },
  Set: (value) => value instanceof Set && [...value],
  URL: (value) => value instanceof URL && value.href,
  URLSearchParams: (value) => value instanceof URLSearchParams && (String(value) || "."),
};
const revivers = {
  Class: ({ classId }) => (classId === Point.classId ? Point : undefined),
  Instance: ({ data }) => new Point(data.x, data.y),
  StepFunction: stepFunction,
  WorkflowFunction: ({ workflowId }) => workflowFunction(workflowId),
  ArrayBuffer: (text) => bytes(text).buffer,
  BigInt,
  Date: (text) => new Date(text),
  DOMException: ({ message, name, ...rest }) => completed(new DOMException(message, name), rest),
  HookConflictError: ({ message, ...rest }) =>
    completed(new HookConflictError(rest.token, rest.conflictingRunId), rest),
  RetryableError: ({ message, retryAfter, ...rest }) =>
    completed(new RetryableError(message, { retryAfter: new Date(retryAfter) }), rest),
  AggregateError: ({ message, errors, ...rest }) => completed(new AggregateError(errors, message), rest),
  RuntimeDecryptionError: ({ message, ...rest }) => completed(named("RuntimeDecryptionError", message), rest),
  StreamError: ({ message, ...rest }) => completed(named("StreamError", message), rest),
  Headers: (pairs) => new Headers(pairs),
  Map: (pairs) => new Map(pairs),
  RegExp: ({ source, flags }) => new RegExp(source, flags),
  Set: (members) => new Set(members),
  URL: (href) => new URL(href),
  URLSearchParams: (text) => new URLSearchParams(text === "." ? "" : text),
};
for (const Type of [EvalError, FatalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError]) {
  reducers[Type.name] = (value) => isNamed(value, Type.name) && errorFields(value);
  revivers[Type.name] = ({ message, ...rest }) => completed(new Type(message), rest);
}
reducers.Error = (value) => value instanceof Error && { name: value.name, ...errorFields(value) };
revivers.Error = ({ message, ...rest }) => completed(new Error(message), rest);
for (const Type of [
  Int8Array, Uint8Array, Uint8ClampedArray, Int16Array, Uint16Array, Int32Array, Uint32Array, Float32Array,
  Float64Array, BigInt64Array, BigUint64Array,
]) {
  reducers[Type.name] = (value) => value instanceof Type && base64(value);
  revivers[Type.name] = (text) => new Type(bytes(text).buffer);
}

// ── Requests ──────────────────────────────────────────────────────────────────────────────────────────────────────

const message = (action) => {
  try {
    return { returned: action() };
  } catch (error) {
    return { name: error.name, message: error.message };
  }
};

const requests = {
  /** The text that the codec writes for an expression. */
  write: (expression) => stringify(valueOf(expression)),
  /** The text that devalue writes, with the SDK's reducers. */
  devalueWrite: (expression) => `devl${devalue.stringify(valueOf(expression), reducers)}`,
  /** The text that devalue writes of its own accord. */
  devaluePlainWrite: (expression) => `devl${devalue.stringify(valueOf(expression))}`,
  /** Whether the codec reads a text as the value of an expression. */
  reads: (text, expression) => isSame(parse(text), valueOf(expression)),
  /** Whether devalue reads a text as the value of an expression, with the SDK's revivers. */
  devalueReads: (text, expression) => isSame(devalue.parse(text.slice(4), revivers), valueOf(expression)),
  /** The texts that the codec writes after it has read others. */
  rewrite: (texts) => texts.map((text) => message(() => stringify(parse(text)))),
  /** What the codec says to texts that it reads. */
  complaints: (texts) => texts.map((text) => message(() => (parse(text), null))),
  /** What an expression says of `it`, the value of a text. */
  look(text, expression) {
    const evaluate = new Function("it", "stringify", "parse", "codec", `return ${expression}`);
    return evaluate(parse(text), stringify, parse, codec);
  },
  /** What the codec says to a value that it should write. */
  complaint: (expression) => message(() => stringify(valueOf(expression))),
};

for await (const line of createInterface({ input: process.stdin })) {
  const [name, ...args] = fromJson(line);
  console.log(toJson(message(() => requests[name](...args))));
}
