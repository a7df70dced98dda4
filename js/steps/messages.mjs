// Messages as they travel: a header in JSON and a body of bytes, with the lengths of both before them, four bytes each, the
// most significant one first.

const LENGTHS_BYTES = 8;
const NOTHING = new Uint8Array();

/** Return the bytes of a message. */
export function packed(header, body = NOTHING) {
  const head = Buffer.from(JSON.stringify(header));
  const lengths = Buffer.alloc(LENGTHS_BYTES);
  lengths.writeUInt32BE(head.length, 0);
  lengths.writeUInt32BE(body.length, 4);
  return Buffer.concat([lengths, head, body]);
}

/** Finds the messages in bytes that come in pieces. */
export class Unpacker {
  #chunks = [];
  #bytes = 0;
  #wanted = LENGTHS_BYTES;

  /** Call `receive(header, body)` with every message that is whole now. */
  take(chunk, receive) {
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    if (this.#bytes < this.#wanted) return;
    let data = this.#chunks.length === 1 ? chunk : Buffer.concat(this.#chunks);
    for (;;) {
      this.#wanted = LENGTHS_BYTES;
      if (data.length < LENGTHS_BYTES) break;
      const behindHead = LENGTHS_BYTES + data.readUInt32BE(0);
      this.#wanted = behindHead + data.readUInt32BE(4);
      if (data.length < this.#wanted) break;
      const header = JSON.parse(data.toString("utf8", LENGTHS_BYTES, behindHead));
      // A copy: what is made of a body lives longer than the chunk that it came in.
      receive(header, Uint8Array.prototype.slice.call(data, behindHead, this.#wanted));
      data = data.subarray(this.#wanted);
    }
    this.#chunks = data.length > 0 ? [data] : [];
    this.#bytes = data.length;
  }
}
