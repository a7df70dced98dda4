// The run inside this VM: its facts, its numbered ops, and who waits for the answer to each.
//
// Ops are numbered by one counter that lives in VM memory, so that a replay from any snapshot gives every op the number
// it had. Time is `run.at`, the time of the event being delivered; the host sets the VM's clock to the same value.

export const run = { id: "", workflow: "", url: "", startedAt: 0, at: 0, phase: "loading" };

const waiting = new Map(); // op number → function that takes its deliveries
let count = 0;
let ops = [];
let left = [];
let answersAwaited = 0;
let takeMessage = () => {};

/**
 * Ask the host for something and return the op's number.
 *
 * `receive(delivery)` is called with every delivery for this op until `forget(n)`. Once the workflow function has
 * settled the run is over: nothing is emitted, nothing is ever delivered, and 0 is returned.
 */
export function emit(what, op, receive) {
  if (run.phase === "loading") {
    throw new Error(`${what} was called while the module was loaded; call it inside a workflow function`);
  }
  if (run.phase === "ended") return 0;
  const n = ++count;
  ops.push({ n, at: run.at, ...op });
  if (receive !== undefined) waiting.set(n, receive);
  return n;
}

export function forget(n) {
  waiting.delete(n);
}

/** Give up a wait: nothing awaits it any more, and the host need not wake the run for it. */
export function leave(n) {
  if (waiting.delete(n) && run.phase === "running") left.push(n);
}

/** Have `receive(delivery)` called with every message to the run. */
export function receiveMessagesWith(receive) {
  takeMessage = receive;
}

/** Deliver one event; the answer to an op that nothing waits for any more is ignored. */
export function deliver(delivery) {
  run.at = Math.max(run.at, delivery.at); // clocks of several machines may disagree; the guest's never goes back
  if (delivery.type !== "message_sent") waiting.get(delivery.op)?.(delivery);
  else if (run.phase === "running") takeMessage(delivery);
}

/** Say that workflow code awaits (+1) or no longer awaits (-1) the answer to the creation of an op of its own. */
export function awaitAnswer(change) {
  answersAwaited += change;
}

export function awaitsAck() {
  return run.phase === "running" && answersAwaited > 0;
}

export function takeOps() {
  const taken = ops;
  ops = [];
  return taken;
}

export function takeLeft() {
  if (left.length === 0) return undefined;
  const taken = left;
  left = [];
  return taken;
}

export function endRun() {
  run.phase = "ended";
  waiting.clear();
}
