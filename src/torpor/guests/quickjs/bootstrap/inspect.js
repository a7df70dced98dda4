// Values as readable text for log lines: depth-limited, safe with cycles, running no getter of plain properties.

import { AbortController, AbortSignal } from "torpor:web-abort";
import { Blob } from "torpor:web-blob";
import { CustomEvent, Event } from "torpor:web-events";
import { URLSearchParams } from "torpor:web-params";

const DEPTH_MAX = 3;
const ITEMS_MAX = 100;
const STRING_CHARS_MAX = 2000;
const WIDTH = 80;
const IDENTIFIER = /^[A-Za-z_$][\w$]*$/;
const TOLD_BY = [ // classes whose properties are those of their prototypes
  [AbortController, ["signal"]], [AbortSignal, ["aborted", "reason"]], [Blob, ["size", "type"]],
  [CustomEvent, ["type", "detail", "defaultPrevented"]], [Event, ["type", "defaultPrevented"]],
];
const TYPED_ARRAY_NAME = Object.getOwnPropertyDescriptor(
  Object.getPrototypeOf(Uint8Array.prototype),
  Symbol.toStringTag,
).get;

/** Join console arguments into one text, with the format directives %s %d %i %f %j %o %O %c of a first string. */
export function format(args) {
  const [first, ...rest] = args;
  const parts = [];
  if (typeof first === "string") parts.push(rest.length > 0 ? substitute(first, rest) : first);
  else if (args.length > 0) rest.unshift(first);
  for (const value of rest) parts.push(typeof value === "string" ? value : inspect(value));
  return parts.join(" ");
}

/** Return a value as an author would write it. */
export function inspect(value) {
  return show(value, [], "");
}

function substitute(template, rest) {
  return template.replace(/%[sdifjoOc%]/g, (directive) => {
    if (directive === "%%") return "%";
    if (rest.length === 0) return directive;
    const value = rest.shift();
    switch (directive) {
      case "%s": return typeof value === "string" ? value : inspect(value);
      case "%d": return typeof value === "bigint" ? `${value}n` : inspect(toNumber(value));
      case "%i": return inspect(Math.trunc(toNumber(value)));
      case "%f": return inspect(toNumber(value));
      case "%c": return "";
      default: return inspect(value);
    }
  });
}

function toNumber(value) {
  return typeof value === "object" || typeof value === "symbol" ? NaN : Number(value);
}

function show(value, parents, indent) {
  switch (typeof value) {
    case "string": return quote(value);
    case "bigint": return `${value}n`;
    case "number": return Object.is(value, -0) ? "-0" : String(value);
    case "function": return showFunction(value);
    case "object": return value === null ? "null" : showGuarded(value, parents, indent);
    default: return String(value);
  }
}

function quote(text) {
  const extra = text.length - STRING_CHARS_MAX;
  const shown = JSON.stringify(extra > 0 ? text.slice(0, STRING_CHARS_MAX) : text);
  return extra > 0 ? `${shown}… ${extra} more characters` : shown;
}

function showFunction(value) {
  if (typeof value.stepId === "string") return `[Step: ${value.stepId}]`;
  const kind = Function.prototype.toString.call(value).startsWith("class") ? "class" : "Function:";
  return `[${kind} ${ownValue(value, "name") || "(anonymous)"}]`;
}

function showGuarded(value, parents, indent) {
  if (parents.includes(value)) return "[Circular]";
  try {
    return showObject(value, [...parents, value], indent);
  } catch (error) {
    return `[object that cannot be shown: ${error instanceof Error ? error.message : "its proxy throws"}]`;
  }
}

function showObject(value, parents, indent) {
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? "Invalid Date" : value.toISOString();
  if (value instanceof RegExp) return RegExp.prototype.toString.call(value);
  if (value instanceof URL) return `URL ${quote(value.href)}`;
  if (value instanceof Error) return showError(value, parents, indent);
  if (value instanceof Number || value instanceof String || value instanceof Boolean) {
    return `[${className(value)}: ${show(value.valueOf(), parents, indent)}]`;
  }
  if (parents.length > DEPTH_MAX) return `[${className(value) || "Object"}]`;
  return braces(value, parents, `${indent}  `, indent);
}

function braces(value, parents, inner, indent) {
  const name = className(value);
  const each = (item) => show(item, parents, inner);
  if (Array.isArray(value)) {
    const label = name === "Array" ? "" : `${name}(${value.length}) `;
    return layout(`${label}[`, [...listItems(value, each), ...properties(value, each, isIndex)], "]", inner, indent);
  }
  if (TYPED_ARRAY_NAME.call(value) !== undefined) {
    return layout(`${name}(${value.length}) [`, listItems(value, each), "]", inner, indent);
  }
  if (value instanceof Map) {
    const entries = limited([...value], ([key, item]) => `${each(key)} => ${each(item)}`);
    return layout(`${name}(${value.size}) {`, entries, "}", inner, indent);
  }
  if (value instanceof Set) return layout(`${name}(${value.size}) {`, limited([...value], each), "}", inner, indent);
  if (value instanceof URLSearchParams || value instanceof Headers) {
    return layout(`${name} {`, limited([...value], ([key, item]) => `${each(key)} => ${each(item)}`), "}", inner, indent);
  }
  const [, told] = TOLD_BY.find(([type]) => value instanceof type) ?? [];
  if (told !== undefined) return layout(`${name} {`, told.map((key) => `${key}: ${each(value[key])}`), "}", inner, indent);
  if (value instanceof ArrayBuffer) return `${name} { byteLength: ${value.byteLength} }`;
  const label = name === "Object" ? "" : `${name || "[Object: null prototype]"} `;
  return layout(`${label}{`, properties(value, each, () => false), "}", inner, indent);
}

function showError(error, parents, indent) {
  const inner = `${indent}  `;
  const text = String(error.stack || error).trimEnd();
  if (parents.length > DEPTH_MAX) return text.split("\n", 1)[0];
  const shown = text.replaceAll("\n", `\n${indent}`);
  const skipped = (key) => key === "stack" || key === "message" || key === "name";
  const extras = properties(error, (item) => show(item, parents, inner), skipped, true);
  return extras.length === 0 ? shown : `${shown} {\n${inner}${extras.join(`,\n${inner}`)}\n${indent}}`;
}

function listItems(list, each) {
  const shown = [];
  for (let i = 0; i < list.length && shown.length < ITEMS_MAX; i++) {
    shown.push(i in list ? each(list[i]) : "<empty>");
  }
  return more(shown, list.length);
}

function limited(list, each) {
  return more(list.slice(0, ITEMS_MAX).map(each), list.length);
}

function properties(object, each, isSkipped, withHidden = false) {
  const keys = Reflect.ownKeys(object).filter((key) => !isSkipped(key));
  const shown = [];
  for (const key of keys) {
    const property = Object.getOwnPropertyDescriptor(object, key);
    if (!property.enumerable && !(withHidden && (key === "cause" || key === "errors"))) continue;
    if (shown.length === ITEMS_MAX) return more(shown, keys.length);
    const name = typeof key === "symbol" ? `[${String(key)}]` : IDENTIFIER.test(key) ? key : JSON.stringify(key);
    shown.push(`${name}: ${"value" in property ? each(property.value) : "[Getter]"}`);
  }
  return shown;
}

function more(shown, total) {
  return total > shown.length ? [...shown, `… ${total - shown.length} more`] : shown;
}

function layout(open, items, close, inner, indent) {
  if (items.length === 0) return open + close;
  const line = `${open} ${items.join(", ")} ${close}`;
  if (line.length + indent.length <= WIDTH && !line.includes("\n")) return line;
  return `${open}\n${inner}${items.join(`,\n${inner}`)}\n${indent}${close}`;
}

function isIndex(key) {
  return typeof key === "string" && /^\d+$/.test(key);
}

function className(object) {
  const prototype = Object.getPrototypeOf(object);
  if (prototype === null) return "";
  return ownValue(prototype.constructor ?? Object, "name") || "Object";
}

function ownValue(object, key) {
  const value = Object.getOwnPropertyDescriptor(object, key)?.value;
  return typeof value === "string" ? value : "";
}
