// console.* as numbered log lines.
//
// Lines are numbered by one counter in VM memory, dropped ones included, so that a replay gives every line the number
// that it had, however the host groups its deliveries.

import { run } from "torpor:run";
import { format, inspect } from "torpor:inspect";
import { placeText, takePlace } from "torpor:stacks";

const LINES_MAX = 1000; // of one outbox, the notice about dropped ones included
const CHARS_MAX = 16 * 1024; // of one line

let count = 0;
let lines = [];
let dropped = 0;
let indent = "";
const counters = new Map();
const timers = new Map();

function write(level, text) {
  const n = ++count;
  const shown = indent === "" ? text : indent + text.replaceAll("\n", `\n${indent}`);
  if (lines.length < LINES_MAX) lines.push({ n, at: run.at, level, text: cut(shown).toWellFormed() });
  else dropped++;
}

function cut(text) {
  const extra = text.length - CHARS_MAX;
  return extra > 0 ? `${text.slice(0, CHARS_MAX)}… ${extra} more characters were dropped` : text;
}

/** Write a line of the guest's own. */
export function logError(text) {
  write("error", text);
}

/** Hand out the lines written since the last call. */
export function takeLines() {
  if (dropped > 0) {
    const text = `${dropped + 1} log lines were dropped: at most ${LINES_MAX} are kept of one turn`;
    lines[LINES_MAX - 1] = { n: count, at: run.at, level: "warn", text };
  }
  const taken = lines;
  lines = [];
  dropped = 0;
  return taken;
}

/** Give lines that were written while modules were loaded the time of the run's beginning. */
export function stampLoadLines(at) {
  for (const line of lines) line.at = at;
}

export function installConsole() {
  const writer = (level) => (...args) => write(level, format(args));
  globalThis.console = {
    log: writer("info"),
    info: writer("info"),
    warn: writer("warn"),
    error: writer("error"),
    debug: writer("debug"),
    dir: (value) => write("info", inspect(value)),
    table: (rows) => write("info", table(rows)),
    trace: (...args) => write("debug", `Trace: ${format(args)}${placeText(takePlace(console.trace))}`),
    assert(condition, ...args) {
      if (!condition) write("error", ["Assertion failed", format(args)].filter(Boolean).join(": "));
    },
    count(label = "default") {
      counters.set(label, (counters.get(label) ?? 0) + 1);
      write("info", `${label}: ${counters.get(label)}`);
    },
    countReset: (label = "default") => void counters.delete(label),
    group(...args) {
      if (args.length > 0) write("info", format(args));
      indent += "  ";
    },
    groupEnd() {
      indent = indent.slice(2);
    },
    time: (label = "default") => void timers.set(label, run.at),
    timeLog: (label = "default") => write("info", `${label}: ${run.at - (timers.get(label) ?? run.at)} ms`),
    timeEnd(label = "default") {
      console.timeLog(label);
      timers.delete(label);
    },
  };
}

/** Return an array or object of rows as a text table; any other value as itself. */
function table(rows) {
  if (typeof rows !== "object" || rows === null) return inspect(rows);
  const entries = rows instanceof Map ? [...rows] : Object.entries(rows);
  const isRecord = (row) => typeof row === "object" && row !== null;
  const columns = [...new Set(entries.flatMap(([, row]) => (isRecord(row) ? Object.keys(row) : [])))];
  const hasPlain = entries.some(([, row]) => !isRecord(row));
  const lines = [["(index)", ...columns, ...(hasPlain ? ["(value)"] : [])]];
  for (const [index, row] of entries) {
    const cells = columns.map((column) => (isRecord(row) && column in row ? inspect(row[column]) : ""));
    lines.push([String(index), ...cells, ...(hasPlain ? [isRecord(row) ? "" : inspect(row)] : [])]);
  }
  const widths = lines[0].map((_, i) => Math.max(...lines.map((line) => line[i].length)));
  const pad = (line) => line.map((cell, i) => cell.padEnd(widths[i])).join(" | ").trimEnd();
  const rule = widths.map((width) => "-".repeat(width)).join("-+-");
  return [pad(lines[0]), rule, ...lines.slice(1).map(pad)].join("\n");
}
