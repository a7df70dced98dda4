// Methods that depend on a locale. The guest has no locale data: what they do without arguments, or for "en-US" with a few
// options, they do as Node does there in UTC; all else is refused, instead of being done as if nothing had been said.

const { defineProperty } = Object;
const ENGLISH = /^en(-us)?$/i;
const GROUP = /\B(?=(\d{3})+$)/g;

function refuse(what, why) {
  throw new RangeError(
    `${what}: ${why}, because workflow code has no locale data; format it in a step, or write it out`,
  );
}

function isSet(value) {
  return value !== undefined;
}

// Return the options of a method that formats for English, of those that it knows; refuse what it cannot honour.
function check(what, locales, options, known = []) {
  const tags = Array.isArray(locales) ? locales : [locales];
  if (isSet(locales) && tags.some((tag) => !ENGLISH.test(String(tag)))) {
    refuse(what, `the locale ${JSON.stringify(locales)} is not available`);
  }
  const given = isSet(options) ? Object.entries(Object(options)).filter(([, value]) => isSet(value)) : [];
  const unknown = given.filter(([name, value]) => !known.some((each) => each[0] === name && each[1](value)));
  if (unknown.length > 0) {
    const told = unknown.map(([name, value]) => `${name}: ${typeof value === "string" ? JSON.stringify(value) : value}`);
    refuse(what, `the option ${told.join(", ")} is not available`);
  }
  return Object.fromEntries(given);
}

// The shortest decimal digits of a number, and how many of them stand before the point.
function digitsOf(number) {
  const [digits, exponent] = number.toExponential().split("e");
  return [digits.replace(".", ""), Number(exponent) + 1];
}

const DIGITS_MAX = 100;
const CURRENCIES = { EUR: "€", GBP: "£", USD: "$" };
const STYLES = { // least and most digits behind the point, and by how many places the point moves
  currency: [2, 2, 0],
  decimal: [0, 3, 0],
  percent: [0, 0, 2],
};
const DIGITS_OPTIONS = ["minimumFractionDigits", "maximumFractionDigits"];
const NUMBER_OPTIONS = [
  ["useGrouping", (value) => typeof value === "boolean"],
  ["style", (value) => Object.hasOwn(STYLES, value)],
  ["currency", (value) => Object.hasOwn(CURRENCIES, value)],
  ...DIGITS_OPTIONS.map((name) => [name, () => true]),
];
const DATE_OPTIONS = [["timeZone", (value) => value === "UTC"]];

// Return the least and the most digits behind the point, by the rules of Intl.NumberFormat.
function fractionDigits(options, [leastUsual, mostUsual]) {
  const [least, most] = DIGITS_OPTIONS.map((name) => {
    if (!isSet(options[name])) return undefined;
    const digits = Number(options[name]);
    if (!(digits >= 0 && digits <= DIGITS_MAX)) throw new RangeError(`${name} value is out of range.`);
    return Math.floor(digits);
  });
  if (least !== undefined && most !== undefined && least > most) {
    throw new RangeError("maximumFractionDigits value is out of range.");
  }
  return [least ?? Math.min(leastUsual, most ?? leastUsual), most ?? Math.max(mostUsual, least ?? 0)];
}

function englishNumber(number, options = {}) {
  const { style = "decimal", currency } = options;
  if (style === "currency" && currency === undefined) throw new TypeError("Currency code is required with currency style.");
  const [least, most] = fractionDigits(options, STYLES[style]);
  const sign = number < 0 || Object.is(number, -0) ? "-" : "";
  const [before, after] = [style === "currency" ? CURRENCIES[currency] : "", style === "percent" ? "%" : ""];
  if (Number.isNaN(number)) return `${before}NaN${after}`;
  return sign + before + englishSize(Math.abs(number), least, most, STYLES[style][2], options.useGrouping ?? true) + after;
}

function englishSize(size, least, most, moved, isGrouped) {
  if (size === Infinity) return "∞";
  const [digits, decimals] = digitsOf(size);
  const point = decimals + moved;
  const scaled = rounded(digits, point + most).padStart(most + 1, "0");
  const end = scaled.length - most;
  const fraction = scaled.slice(end).replace(/0+$/, "").padEnd(least, "0");
  const whole = scaled.slice(0, end).replace(/^0+(?=\d)/, "");
  return (isGrouped ? whole.replace(GROUP, ",") : whole) + (fraction === "" ? "" : `.${fraction}`);
}

// Round digits to the first `count`; as text, since they may be more than a number can hold.
function rounded(digits, count) {
  if (count < 0) return "0";
  const kept = digits.slice(0, count).padEnd(count, "0") || "0";
  return digits[count] >= "5" ? String(BigInt(kept) + 1n) : kept;
}

function englishDate(date) {
  return `${date.getUTCMonth() + 1}/${date.getUTCDate()}/${yearOf(date)}`;
}

function yearOf(date) {
  const year = date.getUTCFullYear();
  return year > 0 ? String(year) : `${1 - year}`; // the era is not told
}

function englishTime(date) {
  const hours = date.getUTCHours();
  const two = (number) => String(number).padStart(2, "0");
  const clock = `${hours % 12 || 12}:${two(date.getUTCMinutes())}:${two(date.getUTCSeconds())}`;
  return `${clock} ${hours < 12 ? "AM" : "PM"}`;
}

const NUMBER = { toLocaleString: englishNumber };
const BIGINT = { toLocaleString: (value) => String(value).replace(GROUP, ",") };
const DATE = {
  toLocaleString: (date) => `${englishDate(date)}, ${englishTime(date)}`,
  toLocaleDateString: englishDate,
  toLocaleTimeString: englishTime,
};

function method(Type, name, format, known = []) {
  const valueOf = Type.prototype.valueOf;
  define(Type.prototype, name, function (locales, options) {
    const value = valueOf.call(this); // throws when it is none
    const wanted = check(`${Type.name}.prototype.${name}`, locales, options, known);
    if (Type === Date && Number.isNaN(value)) return "Invalid Date";
    return format(Type === Date ? this : value, wanted);
  }, 0);
}

function define(object, name, value, length) {
  defineProperty(value, "name", { value: name, configurable: true });
  defineProperty(value, "length", { value: length, configurable: true });
  defineProperty(object, name, { value, writable: true, configurable: true });
}

// The order of the Unicode collation's root, for what Latin texts consist of.
const MARKS = "\u0301\u0300\u0306\u0302\u030c\u030a\u0308\u030b\u0303\u0307\u0328\u0327\u0304";
const ORDER = "\t\n\v\f\r \u00a0_-,;:!?.'\"()[]{}@*/\\&#%`^+<=>|~$0123456789abcdefghijklmnopqrstuvwxyz";
const primary = new Map([...ORDER].map((character, at) => [character, at + 1]));

function keysOf(text) {
  const keys = { primary: [], secondary: [], tertiary: [] };
  for (const character of text.normalize("NFD")) {
    const mark = MARKS.indexOf(character);
    if (mark >= 0 && keys.primary.length > 0) {
      keys.secondary.push(mark + 2);
      continue;
    }
    const lower = character.toLowerCase();
    const place = primary.get(lower === "\u00a0" ? " " : lower);
    if (place === undefined) {
      refuse("String.prototype.localeCompare", `${JSON.stringify(character)} has no place in its order`);
    }
    keys.primary.push(place);
    keys.secondary.push(1);
    keys.tertiary.push(lower === character ? 0 : 1);
  }
  return keys;
}

function compare(a, b) {
  for (let at = 0; at < Math.max(a.length, b.length); at++) {
    const difference = (a[at] ?? -1) - (b[at] ?? -1);
    if (difference !== 0) return difference < 0 ? -1 : 1;
  }
  return 0;
}

function localeCompare(that, locales, options) {
  check("String.prototype.localeCompare", locales, options);
  const [a, b] = [String(this), String(that)];
  if (a === b) return 0;
  const [mine, other] = [keysOf(a), keysOf(b)];
  return compare(mine.primary, other.primary) || compare(mine.secondary, other.secondary) ||
    compare(mine.tertiary, other.tertiary);
}

const CASED_OTHERWISE = /^(az|el|hy|lt|nl|tr)\b/i; // languages with rules of their own

function cased(name) {
  const plain = String.prototype[name === "toLocaleLowerCase" ? "toLowerCase" : "toUpperCase"];
  define(String.prototype, name, function (locales) {
    const tags = Array.isArray(locales) ? locales : [locales];
    if (isSet(locales) && tags.some((tag) => CASED_OTHERWISE.test(String(tag)))) {
      refuse(`String.prototype.${name}`, `the locale ${JSON.stringify(locales)} is not available`);
    }
    return plain.call(this);
  }, 0);
}

function listed(prototype, name) {
  define(prototype, "toLocaleString", function (locales, options) {
    check(`${name}.prototype.toLocaleString`, locales, options);
    return Array.prototype.map.call(this, (item) => (item === null || item === undefined ? "" : item.toLocaleString())).join();
  }, 0);
}

/** Put the methods in place of the engine's, which take no notice of their arguments. */
export function installLocale() {
  for (const [Type, methods, known] of [[Number, NUMBER, NUMBER_OPTIONS], [BigInt, BIGINT, []], [Date, DATE, DATE_OPTIONS]]) {
    for (const [name, format] of Object.entries(methods)) method(Type, name, format, known);
  }
  define(String.prototype, "localeCompare", localeCompare, 1);
  for (const name of ["toLocaleLowerCase", "toLocaleUpperCase"]) cased(name);
  listed(Array.prototype, "Array");
  listed(Object.getPrototypeOf(Uint8Array.prototype), "TypedArray");
}
