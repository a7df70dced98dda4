// The line to whoever has started this process: messages both ways over one socket.

import { Socket } from "node:net";
import { headed, Unpacker } from "./messages.mjs";

export class Channel {
  #socket;
  #unpacker = new Unpacker();

  /** `receive(header, body)` is called with every message; the process ends with the other end of the line. */
  constructor(fd, receive) {
    this.#socket = new Socket({ fd, readable: true, writable: true });
    this.#socket.on("data", (chunk) => this.#unpacker.take(chunk, receive));
    for (const end of ["end", "close", "error"]) this.#socket.on(end, () => process.exit(0));
  }

  /** Send a message, whose body is one of bytes or several one behind the other; they are not to be changed from then on. */
  send(header, ...bodies) {
    const parts = bodies.filter((body) => body?.length > 0);
    this.#socket.cork(); // what is written until then is one call of the system
    this.#socket.write(headed(header, parts.reduce((sum, part) => sum + part.length, 0)));
    for (const part of parts) this.#socket.write(part);
    this.#socket.uncork();
  }
}
