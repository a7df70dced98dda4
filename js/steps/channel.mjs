// The line to whoever has started this process: messages both ways over one socket.

import { Socket } from "node:net";
import { packed, Unpacker } from "./messages.mjs";

export class Channel {
  #socket;
  #unpacker = new Unpacker();

  /** `receive(header, body)` is called with every message; the process ends with the other end of the line. */
  constructor(fd, receive) {
    this.#socket = new Socket({ fd, readable: true, writable: true });
    this.#socket.on("data", (chunk) => this.#unpacker.take(chunk, receive));
    for (const end of ["end", "close", "error"]) this.#socket.on(end, () => process.exit(0));
  }

  send(header, body) {
    this.#socket.write(packed(header, body));
  }
}
