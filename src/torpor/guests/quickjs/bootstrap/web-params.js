// URLSearchParams as browsers and Node have it: the engine's takes no objects, and a URL of it has none.
//
// It puts itself in place of the engine's when it is evaluated, which is before the codec keeps the class.

const { defineProperties, defineProperty, getOwnPropertyDescriptor, prototype: plain } = Object;
const { ownKeys } = Reflect;
const isEnumerable = Function.prototype.call.bind(plain.propertyIsEnumerable);
const NEEDS_NO_ESCAPE = /^[A-Za-z0-9*\-._]*$/;

const usvOf = (value) => `${value}`.toWellFormed(); // throws for symbols
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
const encoder = new TextEncoder();

let ofUrl; // of the class's private parts, for URLs
let refill;

export class URLSearchParams {
  #pairs = [];
  #changed = undefined; // tells the URL whose query this is

  constructor(init = undefined) {
    if (init === undefined || init === null) return;
    if (typeof init !== "object" && typeof init !== "function") {
      const text = usvOf(init);
      this.#pairs = parse(text.startsWith("?") ? text.slice(1) : text);
    } else {
      this.#pairs = #pairs in init && init[Symbol.iterator] === this.entries ? init.#pairs.map((pair) => [...pair]) : pairsOf(init);
    }
  }

  append(name, value) {
    needs(arguments, "name", "value");
    this.#pairs.push([usvOf(name), usvOf(value)]);
    this.#changed?.(this);
  }

  delete(name, value = undefined) {
    needs(arguments, "name");
    const matches = matcher(name, value);
    this.#pairs = this.#pairs.filter((pair) => !matches(pair));
    this.#changed?.(this);
  }

  get(name) {
    needs(arguments, "name");
    return this.#pairs.find(matcher(name))?.[1] ?? null;
  }

  getAll(name) {
    needs(arguments, "name");
    return this.#pairs.filter(matcher(name)).map(([, value]) => value);
  }

  has(name, value = undefined) {
    needs(arguments, "name");
    return this.#pairs.some(matcher(name, value));
  }

  set(name, value) {
    needs(arguments, "name", "value");
    const matches = matcher(name);
    const first = this.#pairs.findIndex(matches);
    const pair = [usvOf(name), usvOf(value)];
    if (first < 0) this.#pairs.push(pair);
    else this.#pairs = this.#pairs.filter((each, at) => at <= first || !matches(each)).with(first, pair);
    this.#changed?.(this);
  }

  /** Sort by name, in code units; pairs of one name keep their order. */
  sort() {
    this.#pairs.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
    this.#changed?.(this);
  }

  get size() {
    return this.#pairs.length;
  }

  forEach(callback, thisArg = undefined) {
    if (typeof callback !== "function") throw new TypeError('The "callback" argument must be of type function.');
    for (const [name, value] of this) callback.call(thisArg, value, name, this);
  }

  entries() {
    return iterate(() => this.#pairs, (pair) => [...pair]);
  }

  keys() {
    return iterate(() => this.#pairs, ([name]) => name);
  }

  values() {
    return iterate(() => this.#pairs, ([, value]) => value);
  }

  toString() {
    return this.#pairs.map(([name, value]) => `${escaped(name)}=${escaped(value)}`).join("&");
  }

  /** Take the query of a URL, which `changed` is told of later; for `installParams`. */
  static #of(query, changed) {
    const params = new URLSearchParams(query);
    params.#changed = changed;
    return params;
  }

  static {
    ofUrl = URLSearchParams.#of;
    refill = (params, query) => (params.#pairs = parse(query.slice(1)));
  }
}

defineProperty(URLSearchParams.prototype, Symbol.iterator, {
  value: URLSearchParams.prototype.entries, writable: true, configurable: true,
});
defineProperty(URLSearchParams.prototype, Symbol.toStringTag, { value: "URLSearchParams", configurable: true });
defineProperties(
  URLSearchParams.prototype,
  Object.fromEntries(
    ["append", "delete", "get", "getAll", "has", "set", "sort", "size", "forEach", "entries", "keys", "values", "toString"].map(
      (name) => [name, { enumerable: true }],
    ),
  ),
);

// Give URLs their live `searchParams`, and URL its static `parse`.
function installParams() {
  defineProperty(globalThis, "URLSearchParams", { value: URLSearchParams, writable: true, configurable: true });
  const paramsOf = new WeakMap();
  const search = getOwnPropertyDescriptor(URL.prototype, "search");
  const href = getOwnPropertyDescriptor(URL.prototype, "href");
  const watched = (property) => ({
    ...property,
    set(value) {
      property.set.call(this, value);
      const params = paramsOf.get(this);
      if (params !== undefined) refill(params, search.get.call(this));
    },
  });
  defineProperties(URL.prototype, {
    search: watched(search),
    href: watched(href),
    searchParams: {
      get() {
        let params = paramsOf.get(this);
        if (params === undefined) {
          params = ofUrl(search.get.call(this), (changed) => search.set.call(this, String(changed)));
          paramsOf.set(this, params);
        }
        return params;
      },
      enumerable: true,
      configurable: true,
    },
  });
  if (URL.parse === undefined) {
    const value = (url, base = undefined) => (URL.canParse(url, base) ? new URL(url, base) : null);
    defineProperty(URL, "parse", { value, writable: true, configurable: true, enumerable: true });
  }
}

function needs(given, ...names) {
  if (given.length >= names.length) return;
  const quoted = names.map((name) => `"${name}"`);
  const which = names.length === 1 ? `${quoted[0]} argument` : `${quoted.join(" and ")} arguments`;
  throw new TypeError(`The ${which} must be specified`);
}

function matcher(name, value) {
  const wanted = usvOf(name);
  if (value === undefined) return ([each]) => each === wanted;
  const wantedValue = usvOf(value);
  return ([each, its]) => each === wanted && its === wantedValue;
}

function pairsOf(init) {
  const method = init[Symbol.iterator];
  if (method !== undefined && method !== null) {
    if (typeof method !== "function") throw new TypeError("Query pairs must be iterable");
    return [...init].map(pairOf);
  }
  const pairs = new Map(); // keys that differ may become one when halves of surrogate pairs are replaced
  for (const key of ownKeys(init)) {
    if (isEnumerable(init, key)) pairs.set(usvOf(key), usvOf(init[key]));
  }
  return [...pairs];
}

function pairOf(given) {
  const isIterable = given !== null && (typeof given === "object" || typeof given === "function") &&
    typeof given[Symbol.iterator] === "function";
  const pair = isIterable ? [...given] : [];
  if (pair.length !== 2) throw new TypeError("Each query pair must be an iterable [name, value] tuple");
  return pair.map(usvOf);
}

function parse(query) {
  return query.split("&").filter((part) => part !== "").map((part) => {
    const at = part.indexOf("=");
    return at < 0 ? [decoded(part), ""] : [decoded(part.slice(0, at)), decoded(part.slice(at + 1))];
  });
}

function decoded(text) {
  const spaced = text.replaceAll("+", " ");
  if (!spaced.includes("%")) return spaced;
  const bytes = [];
  for (const part of spaced.split(/(%[0-9A-Fa-f]{2})/)) {
    if (/^%[0-9A-Fa-f]{2}$/.test(part)) bytes.push(parseInt(part.slice(1), 16));
    else bytes.push(...encoder.encode(part));
  }
  return decoder.decode(new Uint8Array(bytes));
}

function escaped(text) {
  if (NEEDS_NO_ESCAPE.test(text)) return text;
  return [...encoder.encode(text)].map((byte) => {
    const character = String.fromCharCode(byte);
    if (character === " ") return "+";
    return NEEDS_NO_ESCAPE.test(character) ? character : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }).join("");
}

// Iterators see changes that are made while they run, as in browsers.
function iterate(pairs, pick) {
  let at = 0;
  const next = () => {
    const pair = pairs()[at++];
    return pair === undefined ? { value: undefined, done: true } : { value: pick(pair), done: false };
  };
  return { __proto__: PARAMS_ITERATOR, next };
}

const PARAMS_ITERATOR = Object.create(Iterator.prototype, {
  [Symbol.toStringTag]: { value: "URLSearchParams Iterator", configurable: true },
});

installParams();
