// Times as people write them: milliseconds, "1h 30m", the Date when it is over, or that date as text. The grammars are
// those of `torpor.durations`.

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
const MINUS = /^\s*-/;
const PART = /\s*(\d+(?:\.\d+)?|\.\d+)\s*([a-z]+)\s*,?\s*/iy;
const DATE = /^\d{4}-\d\d-\d\d/;
const MOMENT =
  /^(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d+))?)?(?:Z|([+-])(\d\d)(?::?(\d\d))?)$/;
const LATEST_TIME = 8.64e15; // the last instant that a Date can hold
const EXPECTED = 'give milliseconds, a text such as "1h 30m", or a Date';

/**
 * Return the epoch milliseconds at which a duration that begins at `now` is over.
 *
 * A Date, or text in ISO 8601 with a time zone, is that moment. It may have passed, and a duration may be negative;
 * nothing is due before 1970. Throws TypeError for other types, RangeError for values without a meaning.
 */
export function dueTime(duration, now) {
  return Math.max(0, due(duration, now));
}

function due(duration, now) {
  if (duration instanceof Date) {
    const at = duration.getTime();
    if (Number.isNaN(at)) throw new RangeError("the Date is invalid");
    return at;
  }
  if (typeof duration === "string") {
    const text = duration.trim().toUpperCase();
    if (DATE.test(text)) return moment(text, duration);
  }
  const at = now + Math.round(milliseconds(duration));
  if (at > LATEST_TIME) throw new RangeError(`${String(duration)} ends after the last date that can be told`);
  return at;
}

/** Return a duration, a number or a text, in milliseconds; throws as `dueTime`. */
export function milliseconds(duration) {
  if (typeof duration === "string") return parseDuration(duration);
  if (typeof duration !== "number") {
    const type = duration === null ? "null" : typeof duration;
    throw new TypeError(`${type} is not a duration; ${EXPECTED}`);
  }
  if (!Number.isFinite(duration)) throw new RangeError(`${duration} is not a number of milliseconds that ends`);
  return duration;
}

function parseDuration(text) {
  const [minus = ""] = MINUS.exec(text) ?? [];
  let total = 0;
  let at = minus.length;
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
  return minus === "" ? total : -total;
}

/** Return the first whole millisecond that is not before the moment that a text names. */
function moment(text, given) {
  const [, ...parts] = MOMENT.exec(text) ?? [];
  const [year, month, day, hour, minute, second, , , zoneHour, zoneMinute] = parts.map((part) => Number(part ?? 0));
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day); // Date.UTC would take the year 70 for 1970
  const isDate = date.getUTCMonth() === month - 1 && date.getUTCDate() === day && year > 0;
  if (!(isDate && hour < 24 && minute < 60 && second < 60 && zoneHour < 24 && zoneMinute < 60)) {
    throw new RangeError(
      `${JSON.stringify(given)} is no moment; write it with time and zone, such as "2026-11-21T17:30:00Z"`,
    );
  }
  const microseconds = Number((parts[6] ?? "").slice(0, 6).padEnd(6, "0"));
  const zone = (parts[7] === "-" ? -1 : 1) * (zoneHour * 60 + zoneMinute);
  return date.getTime() + ((hour * 60 + minute - zone) * 60 + second) * 1000 + Math.ceil(microseconds / 1000);
}
