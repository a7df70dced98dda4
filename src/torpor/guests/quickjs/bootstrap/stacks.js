// Error stacks as authors expect them: their own files and lines, none of ours.
//
// The engine calls Error.prepareStackTrace when an error is made. In programs of version 0.1.0 the lines of TypeScript
// had moved; they are mapped back, and columns, which mean nothing to the author there, are left out.

import { adviseOnAbsence } from "torpor:absent";

const RAW_FRAME = /^ {4}at (.+) \((.+?)(?::(\d+):(\d+))?\)$/;

let lineMaps = {};
const places = new Map(); // module that was made of several files → how
let witness = () => {};

export function installStacks() {
  Error.prepareStackTrace = (error, sites) => {
    adviseOnAbsence(error);
    const text = textOf(sites.map(frameOfSite));
    witness(error, text);
    return header(error) + text;
  };
}

/** Let a function see each error that is made, and its frames as text. */
export function setWitness(see) {
  witness = see;
}

/** Take module name → author's line for each evaluated line. */
export function setLineMaps(maps) {
  lineMaps = maps;
}

/**
 * Say what a module was made of: `sources`, the authors' files, and `lines`, which has for each of its lines a file's number
 * and the line in it, both from 0, or null for lines of nobody's.
 */
export function setPlaces(module, { sources, lines }) {
  places.set(module, { sources, lines });
}

/**
 * Return where the caller of `inner` is, for an error that may be made later; `placeText` makes it readable.
 *
 * This is the engine's own text, since it is taken for every step call: frames as objects would cost more time, and
 * more pages of the snapshot.
 */
export function takePlace(inner) {
  const holder = {};
  const prepare = Error.prepareStackTrace;
  Error.prepareStackTrace = undefined;
  try {
    Error.captureStackTrace(holder, inner);
    return holder.stack;
  } finally {
    Error.prepareStackTrace = prepare;
  }
}

/** Return the stack lines of a place, each with a line break before it. */
export function placeText(place) {
  return textOf(framesOfPlace(place));
}

/** Return `file:line` of the nearest frame of the author's, or null. */
export function callerPlace() {
  const frame = framesOfPlace(takePlace(callerPlace)).find((frame) => frame.file !== null && isVisible(frame));
  return frame === undefined ? null : `${frame.file}:${authorLine(frame)}`;
}

/** Return the frames of a place: function name, file or null, line and column as they are evaluated. */
export function framesOfPlace(place) {
  const matches = place.split("\n").map((line) => RAW_FRAME.exec(line));
  return matches.filter(Boolean).map(([, name, file, line, column]) => {
    return { name, file: line === undefined ? null : file, line: Number(line), column: Number(column) };
  });
}

function frameOfSite(site) {
  return {
    name: site.getFunctionName() || "<anonymous>",
    file: site.isNative() ? null : site.getFileName(),
    line: site.getLineNumber(),
    column: site.getColumnNumber(),
  };
}

function textOf(frames) {
  // A native function that our own code called is as internal as its caller.
  const shown = frames.filter((frame, i) => {
    const caller = frames[i + 1];
    return isVisible(frame) && (frame.file !== null || caller === undefined || isVisible(caller));
  });
  return shown.map((frame) => `\n    at ${frame.name} (${position(frame)})`).join("");
}

function isVisible({ file }) {
  return file !== "workflow" && !file?.startsWith("torpor:");
}

function position(frame) {
  if (frame.file === null) return "native";
  const made = places.get(frame.file);
  if (made !== undefined) {
    const [source, line] = made.lines[frame.line - 1] ?? [];
    return source === undefined ? frame.file : `${made.sources[source]}:${line + 1}`;
  }
  const column = lineMaps[frame.file] === undefined ? `:${frame.column}` : "";
  return `${frame.file}:${authorLine(frame)}${column}`;
}

function authorLine({ file, line }) {
  return lineMaps[file]?.[line - 1] ?? line;
}

function header(error) {
  try {
    return Error.prototype.toString.call(error);
  } catch {
    return "Error"; // name or message is a getter that throws
  }
}
