// Between a server and the process that runs the steps: what either says to the other, as long as both are there.
//
// Numbers of attempts are the session's, and numbers of questions the process's; both get the number of whose they are,
// so that what comes late is nobody else's.

const encoder = new TextEncoder();

export class Relay {
  #child;
  #session;
  #sessions = 0;
  #children = 1;
  #running = new Set(); // numbers of attempts that the server's present line has begun
  #asked = new Set(); // numbers of questions of this process

  /** `child` runs the steps; it is given what comes from the session that is there. */
  constructor(child) {
    this.#child = child;
  }

  /** How many attempts are made. */
  get running() {
    return this.#running.size;
  }

  /** Carry messages between the process and the server, until the line between them is over: then throw the reason. */
  async through(session) {
    this.#session = session;
    this.#sessions++;
    try {
      await session.listen((header, body) => this.#fromServer(header, body));
    } finally {
      this.#session = undefined;
      this.#giveUp();
    }
  }

  /** Take what the process tells. */
  fromChild(header, body) {
    if (header.type === "ask") {
      this.#ask(header, body);
      return;
    }
    const call = this.#own(header.call);
    if (call === undefined) return;
    if (header.type === "outcome") this.#running.delete(call);
    this.#session.send({ ...header, call }, body, (error) => tooLarge(call, error));
  }

  /** Tell that the process has ended; another one begins. */
  childDied(how) {
    this.#children++;
    this.#asked.clear();
    const calls = [...this.#running];
    this.#running.clear();
    if (calls.length > 0) this.#session.send({ type: "died", how, calls });
  }

  #fromServer(header, body) {
    if (header.type === "answer") {
      const [child, question] = header.question;
      if (child !== this.#children || !this.#asked.delete(question)) return;
      this.#child.send({ ...header, question }, body);
      return;
    }
    if (header.type === "step") this.#running.add(header.call);
    else if (!this.#running.delete(header.call)) return; // cancelled when it had ended
    this.#child.send({ ...header, call: this.#named(header.call) }, body);
  }

  #ask({ question, ...header }, body) {
    const call = this.#own(header.call);
    if (this.#session === undefined || (header.call !== undefined && call === undefined)) {
      this.#refuse(question, "the attempt of this step was given up");
      return;
    }
    this.#asked.add(question);
    this.#session.send({ ...header, call, question: [this.#children, question] }, body, (error) => {
      if (this.#asked.delete(question)) this.#refuse(question, error.message);
      return [{ type: "nothing" }];
    });
  }

  /** Let what runs know that nobody wants its outcome, and nobody answers what it asks. */
  #giveUp() {
    for (const call of this.#running) this.#child.send({ type: "cancel", call: this.#named(call) });
    this.#running.clear();
    for (const question of this.#asked) this.#refuse(question, "the server has ended, or does not know this attempt any more");
    this.#asked.clear();
  }

  #refuse(question, message) {
    this.#child.send({ type: "answer", question, error: { name: "Error", message } });
  }

  #named(call) {
    return `${this.#sessions}/${call}`;
  }

  /** Return the number of an attempt that is still wanted, undefined for another. */
  #own(named) {
    if (named === undefined || this.#session === undefined) return undefined;
    const [session, call] = named.split("/").map(Number);
    return session === this.#sessions && this.#running.has(call) ? call : undefined;
  }
}

function tooLarge(call, { message }) {
  const told = `what the step has told is too large: ${message}`;
  const text = [["FatalError", 1], { message: 2, stack: 3 }, told, told];
  return [{ type: "outcome", call, outcome: "failed", told: `FatalError: ${told}` }, encoder.encode(`devl${JSON.stringify(text)}`)];
}
