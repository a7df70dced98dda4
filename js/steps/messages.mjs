// Messages as they travel: a header in JSON and a body of bytes, with the lengths of both before them, four bytes each, the
// most significant one first.

const LENGTHS_BYTES = 8;
const NOTHING = Buffer.alloc(0);

/** Return the bytes of a message. */
export function packed(header, body = NOTHING) {
  return Buffer.concat([headed(header, body.length), body]);
}

/** Return what stands before so many bytes of a body. */
export function headed(header, bodyBytes) {
  const head = JSON.stringify(header);
  const headBytes = Buffer.byteLength(head);
  const made = Buffer.allocUnsafe(LENGTHS_BYTES + headBytes);
  made.writeUInt32BE(headBytes, 0);
  made.writeUInt32BE(bodyBytes, 4);
  made.write(head, LENGTHS_BYTES);
  return made;
}

/** Finds the messages in bytes that come in pieces. */
export class Unpacker {
  #rest = NOTHING; // of which nothing can be made yet
  #header; // whose body is being filled
  #body;
  #filled = 0;

  /** Call `receive(header, body)` with every message that is whole now. */
  take(chunk, receive) {
    let data = chunk;
    if (this.#header !== undefined) {
      data = data.subarray(this.#fill(data));
      if (this.#filled < this.#body.length) return;
      this.#give(receive);
    }
    if (this.#rest.length > 0) data = Buffer.concat([this.#rest, data]);
    while (data.length >= LENGTHS_BYTES) {
      const behindHead = LENGTHS_BYTES + data.readUInt32BE(0);
      if (data.length < behindHead) break;
      this.#header = JSON.parse(data.toString("utf8", LENGTHS_BYTES, behindHead));
      // With memory of its own: what is made of a body lives longer than the chunk that it came in.
      this.#body = new Uint8Array(data.readUInt32BE(4));
      this.#filled = 0;
      data = data.subarray(behindHead + this.#fill(data.subarray(behindHead)));
      if (this.#filled < this.#body.length) break;
      this.#give(receive);
    }
    this.#rest = data;
  }

  /** Fill the body with what there is of it, and return how much that was. */
  #fill(data) {
    const bytes = Math.min(data.length, this.#body.length - this.#filled);
    this.#body.set(bytes < data.length ? data.subarray(0, bytes) : data, this.#filled);
    this.#filled += bytes;
    return bytes;
  }

  #give(receive) {
    const header = this.#header;
    this.#header = undefined;
    receive(header, this.#body);
  }
}
