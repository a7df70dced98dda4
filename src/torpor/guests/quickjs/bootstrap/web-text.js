// TextDecoder for every encoding of one byte a character, beside those of the engine; the others are refused.

import { MULTI_BYTE, SINGLE_BYTE } from "torpor:web-encodings";

const { defineProperty, entries } = Object;
const NativeDecoder = globalThis.TextDecoder;
const REPLACEMENT = "\ufffd";

const names = new Map(); // label → name
for (const [name, [labels]] of entries(SINGLE_BYTE)) label(name, labels);
for (const [name, labels] of entries(MULTI_BYTE)) label(name, labels);

function label(name, labels) {
  for (const each of [name, ...labels.split(" ")]) names.set(each, name);
}

export class TextDecoder {
  #native; // of the engine, for what it knows
  #characters = ""; // of the upper half of an encoding of one byte
  #encoding;
  #fatal;
  #ignoreBOM;

  constructor(given = "utf-8", options = undefined) {
    const { fatal = false, ignoreBOM = false } = options ?? {};
    const name = names.get(String(given).trim().toLowerCase());
    this.#fatal = !!fatal;
    this.#ignoreBOM = !!ignoreBOM;
    if (name !== undefined && name in MULTI_BYTE) {
      throw new RangeError(`The "${given}" encoding is not available in workflow code; decode it in a step`);
    }
    if (name !== undefined) {
      this.#encoding = name;
      this.#characters = SINGLE_BYTE[name][1];
      return;
    }
    try {
      this.#native = new NativeDecoder(given, { fatal, ignoreBOM });
    } catch {
      throw new RangeError(`The "${given}" encoding is not supported`);
    }
    this.#encoding = this.#native.encoding;
  }

  get encoding() { return this.#encoding; }
  get fatal() { return this.#fatal; }
  get ignoreBOM() { return this.#ignoreBOM; }

  decode(input = undefined, options = undefined) {
    if (this.#native === undefined) return this.#characters && this.#decodeBytes(input);
    try {
      return this.#native.decode(input, options ?? {});
    } catch (error) {
      throw error instanceof TypeError && this.#fatal ? invalid(this.#encoding) : error;
    }
  }

  #decodeBytes(input) {
    let text = "";
    for (const byte of bytesOf(input)) {
      const character = byte < 128 ? String.fromCharCode(byte) : this.#characters[byte - 128];
      if (character === REPLACEMENT && this.#fatal) throw invalid(this.#encoding);
      text += character;
    }
    return text;
  }
}

for (const name of ["encoding", "fatal", "ignoreBOM", "decode"]) {
  defineProperty(TextDecoder.prototype, name, { enumerable: true });
}
defineProperty(TextDecoder.prototype, Symbol.toStringTag, { value: "TextDecoder", configurable: true });

function bytesOf(input) {
  if (input === undefined) return [];
  if (ArrayBuffer.isView(input)) return new Uint8Array(input.buffer, input.byteOffset, input.byteLength);
  if (input instanceof ArrayBuffer) return new Uint8Array(input);
  throw new TypeError('The "list" argument must be an instance of SharedArrayBuffer, ArrayBuffer or ArrayBufferView.');
}

function invalid(encoding) {
  return new TypeError(`The encoded data was not valid for encoding ${encoding}`);
}
