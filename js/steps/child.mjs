// The process that runs the steps, begun again whenever it ends: a step may end or block its process, and the way to the
// server must not mind.

import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { packed, Unpacker } from "./messages.mjs";

const WORKER = fileURLToPath(new URL("./worker.mjs", import.meta.url));
const LINE = 3; // its descriptor of the line
const PAUSE_MS_MAX = 5000;

export class Child {
  #command;
  #project;
  #receive;
  #died;
  #process;
  #waiting = []; // what is sent before it is ready
  #isReady = false;
  #isOver = false;
  #failures = 0;

  /**
   * `receive(header, body)` gets what it tells, and `died(how)` is called each time that it has ended before it should.
   */
  constructor(project, steps, receive, died) {
    this.#project = project;
    this.#command = ["--enable-source-maps", WORKER, project, steps, String(LINE)];
    this.#receive = receive;
    this.#died = died;
  }

  /** Resolve when it has read the steps; reject when the first one cannot. */
  start() {
    return new Promise((resolve, reject) => this.#begin(resolve, reject));
  }

  send(header, body) {
    const message = packed(header, body);
    if (this.#isReady) this.#line.write(message);
    else this.#waiting.push(message);
  }

  /** End it, whatever it runs. */
  close() {
    this.#isOver = true;
    this.#process?.kill("SIGKILL");
  }

  /** Let another process take its place, because this one cannot go on. */
  replace() {
    this.#process?.kill("SIGKILL");
  }

  get #line() {
    return this.#process.stdio[LINE];
  }

  #begin(resolve, reject) {
    const unpacker = new Unpacker();
    const made = spawn(process.execPath, this.#command, {
      cwd: this.#project,
      detached: true, // Ctrl-C is for this process, which lets steps end
      stdio: ["ignore", "inherit", "inherit", "pipe"],
    });
    this.#process = made;
    this.#line.on("data", (chunk) => unpacker.take(chunk, (header, body) => this.#take(header, body, resolve, reject)));
    this.#line.on("error", () => {}); // its end is told
    made.on("error", (error) => reject?.(error));
    made.on("close", (code, signal) => this.#ended(signal === null ? `ended with exit code ${code}` : `was ended by ${signal}`, reject));
  }

  #take(header, body, resolve, reject) {
    if (header.type === "ready") {
      this.#isReady = true;
      this.#failures = 0;
      for (const message of this.#waiting.splice(0)) this.#line.write(message);
      resolve?.(header);
    } else if (header.type === "broken") {
      if (reject === undefined) console.error(`the steps cannot be read any more: ${header.why}`);
      reject?.(new Error(header.why));
      this.#process.kill();
    } else {
      this.#receive(header, body);
    }
  }

  #ended(how, reject) {
    this.#isReady = false;
    this.#waiting.length = 0; // of attempts that are told to have died
    if (this.#isOver) return;
    reject?.(new Error(`the process of the steps ${how}`));
    this.#died(how);
    const pause = this.#failures++ === 0 ? 0 : Math.min(PAUSE_MS_MAX, 100 * 2 ** this.#failures);
    setTimeout(() => this.#isOver || this.#begin(), pause);
  }
}
