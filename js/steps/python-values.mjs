// Values of Python's own types in a process of the Workflow SDK, and handles of runs that Torpor made. The SDK reads an
// instance by the class that its id is registered for, and writes what has such a class as its constructor. So the registry
// answers for every id `class//python//…` and `class//torpor//…`: what is an array, object, Map … in the data is read as
// that, an exception as an Error, and what is text (Decimal, UUID, datetime, date, time, Path) as an object that shows as
// it. All of them are their Python type again when they are passed back; a copy is plain. The guest has the same rules
// (`codec-python.js`).

const REGISTRY = Symbol.for("workflow-class-registry");
const SERIALIZE = Symbol.for("workflow-serialize");
const DESERIALIZE = Symbol.for("workflow-deserialize");
const OURS = /^class\/\/(python|torpor)\/\//;
const EXCEPTION = "class//python//exception//";
const COPIED = [Uint8Array, Map, Set, Date];
const classes = new Map();
const told = new WeakMap(); // of an error, what Python says of the exception

/** Let the SDK read Python's own types in this process; to ask again changes nothing. */
export function readPythonValues() {
  const registry = (globalThis[REGISTRY] ??= new Map());
  if (Object.hasOwn(registry, "get")) return;
  registry.get = (id) => Map.prototype.get.call(registry, id) ?? (OURS.test(id) ? classOf(id) : undefined);
}

/** A value whose data is no container, such as the "1.10" of `Decimal("1.10")`. */
class PythonValue {
  constructor(data) {
    this.data = data;
    Object.freeze(this);
  }

  toString() {
    return String(this.data);
  }

  valueOf() {
    return this.data;
  }

  toJSON() {
    return this.data;
  }
}

/** Return the class of an id, which the SDK finds at what it reads and writes. */
function classOf(id) {
  if (!classes.has(id)) classes.set(id, makeClass(id));
  return classes.get(id);
}

function makeClass(id) {
  const made = class extends PythonValue {
    static classId = id;
    static [DESERIALIZE](data) {
      if (data === undefined) throw new TypeError(`${made.name} contains itself, and the Workflow SDK reads no such object`);
      if (!isPlain(data)) return new made(data);
      const value = id.startsWith(EXCEPTION) ? errorOf(data) : data;
      return Object.defineProperty(value, "constructor", { value: made, configurable: true, writable: true });
    }
    static [SERIALIZE](value) {
      if (value instanceof made) return value.data;
      if (value instanceof Error) return { ...told.get(value), message: value.message, stack: value.stack };
      return copyOf(value); // the value itself is written as the instance
    }
  };
  return Object.defineProperty(made, "name", { value: /[^:/]+$/.exec(id)?.[0] ?? "PythonValue" });
}

/** Tell whether data can be shown as itself: it is of a kind that can be copied, and no value of Python in its own right. */
function isPlain(data) {
  if (typeof data !== "object" || data === null || Object.hasOwn(data, "constructor")) return false;
  const prototype = Object.getPrototypeOf(data);
  if (Array.isArray(data) || prototype === Object.prototype || prototype === null) return true;
  return COPIED.some((type) => data instanceof type);
}

function copyOf(value) {
  if (Array.isArray(value) || value instanceof Uint8Array) return value.slice();
  const type = COPIED.find((type) => value instanceof type);
  return type === undefined ? { ...value } : new type(value);
}

function errorOf(data) {
  const { name, message, stack, errors, cause, context, suppressContext, state } = data;
  const reason = cause ?? (suppressContext ? undefined : context) ?? undefined;
  const error = new Error(message, reason === undefined ? {} : { cause: reason });
  Object.assign(error, state); // attributes in Python are properties here
  const hidden = { name, message, stack, ...(errors === undefined ? {} : { errors }) };
  for (const [key, value] of Object.entries(hidden)) {
    Object.defineProperty(error, key, { value, configurable: true, writable: true });
  }
  told.set(error, data);
  return error;
}
