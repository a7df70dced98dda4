// Durations as people write them: milliseconds, "1h 30m", or the Date when it is over.

const UNITS = [
  [1, "ms msec msecs millisecond milliseconds"],
  [1000, "s sec secs second seconds"],
  [60_000, "m min mins minute minutes"],
  [3_600_000, "h hr hrs hour hours"],
  [86_400_000, "d day days"],
  [604_800_000, "w week weeks"],
  [31_557_600_000, "y yr yrs year years"], // 365.25 days
];
const MILLISECONDS = new Map(UNITS.flatMap(([ms, names]) => names.split(" ").map((name) => [name, ms])));
const PART = /\s*(\d+(?:\.\d+)?|\.\d+)\s*([a-z]+)\s*,?\s*/iy;
const LATEST_TIME = 8.64e15; // the last instant that a Date can hold
const EXPECTED = 'give milliseconds, a text such as "1h 30m", or a Date';

/**
 * Return the epoch milliseconds at which a duration that begins at `now` is over.
 *
 * A Date in the past is fine. Throws TypeError for other types, RangeError for values without a meaning.
 */
export function dueTime(duration, now) {
  if (duration instanceof Date) {
    const due = duration.getTime();
    if (Number.isNaN(due)) throw new RangeError("the Date is invalid");
    return due;
  }
  const due = now + Math.round(milliseconds(duration));
  if (due > LATEST_TIME) throw new RangeError(`${String(duration)} ends after the last date that can be told`);
  return due;
}

function milliseconds(duration) {
  if (typeof duration === "string") return parseDuration(duration);
  if (typeof duration !== "number") {
    const type = duration === null ? "null" : typeof duration;
    throw new TypeError(`${type} is not a duration; ${EXPECTED}`);
  }
  if (!(duration >= 0 && duration < Infinity)) {
    throw new RangeError(`${duration} is not a number of milliseconds from 0 upwards`);
  }
  return duration;
}

function parseDuration(text) {
  let total = 0;
  let at = 0;
  do {
    PART.lastIndex = at;
    const [, number, unit] = PART.exec(text) ?? [];
    const size = MILLISECONDS.get(unit?.toLowerCase());
    if (size === undefined) {
      throw new RangeError(`${JSON.stringify(text)} is not a duration; units are ms, s, m, h, d, w, y`);
    }
    total += Number(number) * size;
    at = PART.lastIndex;
  } while (at < text.length);
  return total;
}
