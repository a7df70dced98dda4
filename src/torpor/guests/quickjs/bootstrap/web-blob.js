// Blob: bytes with a type. Its stream is for steps, as streams are.

const { defineProperty } = Object;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

export class Blob {
  #bytes = new Uint8Array();
  #type = "";

  constructor(parts = [], options = {}) {
    if (parts === null || typeof parts !== "object" || typeof parts[Symbol.iterator] !== "function") {
      throw new TypeError('The "sources" argument must be an instance of Iterable.');
    }
    const { type = "", endings = "transparent" } = options ?? {};
    if (endings !== "transparent" && endings !== "native") {
      throw new TypeError(`The property 'options.endings' must be one of: 'transparent', 'native'. Received '${endings}'`);
    }
    this.#type = typed(type);
    this.#bytes = joined([...parts].map((part) => Blob.#bytesOf(part, endings)));
  }

  get size() { return this.#bytes.length; }
  get type() { return this.#type; }

  async text() {
    return decoder.decode(this.#bytes);
  }

  async arrayBuffer() {
    return this.#bytes.slice().buffer;
  }

  async bytes() {
    return this.#bytes.slice();
  }

  slice(start = 0, end = this.size, type = "") {
    const part = new Blob([], { type });
    part.#bytes = this.#bytes.slice(Math.trunc(start) || 0, end === undefined ? undefined : Math.trunc(end) || 0);
    return part;
  }

  stream() {
    throw new TypeError("Blob.stream is not available in workflow code; use text(), bytes() or arrayBuffer()");
  }

  static #bytesOf(part, endings) {
    if (typeof part === "object" && part !== null) {
      if (#bytes in part) return part.#bytes;
      if (ArrayBuffer.isView(part)) return new Uint8Array(part.buffer, part.byteOffset, part.byteLength);
      if (part instanceof ArrayBuffer) return new Uint8Array(part);
    }
    const text = String(part).toWellFormed();
    return encoder.encode(endings === "native" ? text.replaceAll("\r\n", "\n") : text);
  }
}

for (const name of ["size", "type", "text", "arrayBuffer", "bytes", "slice", "stream"]) {
  defineProperty(Blob.prototype, name, { enumerable: true });
}
defineProperty(Blob.prototype, Symbol.toStringTag, { value: "Blob", configurable: true });

function typed(type) {
  const text = String(type);
  return /[^\x20-\x7e]/.test(text) ? "" : text.toLowerCase();
}

function joined(chunks) {
  const bytes = new Uint8Array(chunks.reduce((total, chunk) => total + chunk.length, 0));
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}
