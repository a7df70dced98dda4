// The run inside this VM: its facts, its numbered ops, and who waits for the answer to each.
//
// Ops are numbered by one counter that lives in VM memory, so that a replay from any snapshot gives every op the number
// it had. Time is `run.at`, the time of the event being delivered; the host sets the VM's clock to the same value.

export const run = { id: "", workflow: "", url: "", startedAt: 0, at: 0, phase: "loading", cancelled: null };

// Who waits for what the host answers to an op: `receive` takes its deliveries, `cancel` the error of a cancellation.
// They lie under the op's number times a prime: QuickJS hashes neighbouring integers alike.
const waiting = new Map();
const SCATTER = 7919;
let count = 0;
let ops = [];
let left = [];
let answersAwaited = 0;
let takeMessage = () => {};
const interrupts = []; // functions that take the error of a cancellation
let shields = 0;
let asked = 0; // how many ops there were when the run was cancelled

/**
 * Ask the host for something and return the op's number; `op` is its own object, which gets number and time.
 *
 * `receive(delivery)` is called with every delivery for this op until `forget(n)`. Once the workflow function has
 * settled the run is over: nothing is emitted, nothing is ever delivered, and 0 is returned.
 *
 * When the run is cancelled, `cancel(error)` is called in place of `receive`, and the op is given up; without `cancel`,
 * and for code that must not be interrupted, it stays.
 */
export function emit(what, op, receive, cancel) {
  if (run.phase === "loading") {
    throw new Error(`${what} was called while the module was loaded; call it inside a workflow function`);
  }
  if (run.phase === "queried") {
    throw new Error(`${what} was called in a query, which can only look; call it in the workflow`);
  }
  if (run.phase === "ended") return 0;
  const n = ++count;
  op.n = n;
  op.at = run.at;
  ops.push(op);
  if (receive !== undefined) waiting.set(n * SCATTER, { n, receive, cancel: shields === 0 ? cancel : undefined });
  return n;
}

export function forget(n) {
  waiting.delete(n * SCATTER);
}

/** Give up what is waited for, because the run is cancelled. */
export function deliverCancellation(error) {
  asked = count;
  for (const interrupt of interrupts) interrupt(error);
  for (const waiter of [...waiting.values()]) {
    const { n, cancel } = waiter;
    if (cancel === undefined) continue;
    waiter.cancel = undefined;
    cancel(error);
    if (!waiting.has(n * SCATTER)) left.push(n);
  }
}

/** Have `interrupt(error)` called when the run is cancelled, for those who wait for no op. */
export function interruptWith(interrupt) {
  interrupts.push(interrupt);
}

/** Protect what is asked for from now on from being cancelled (+1), or no longer (-1). */
export function shield(change) {
  shields += change;
}

export function isShielded() {
  return shields > 0;
}

/** Say whether code of a cancelled run still cleans up: it waits for what it has asked for since. */
export function cleansUp() {
  return shields > 0 || [...waiting.values()].some(({ n }) => n > asked);
}

/** Give up a wait: nothing awaits it any more, and the host need not wake the run for it. */
export function leave(n) {
  if (waiting.delete(n * SCATTER) && run.phase === "running") left.push(n);
}

/** Have `receive(delivery)` called with every message to the run. */
export function receiveMessagesWith(receive) {
  takeMessage = receive;
}

/** Deliver one event; the answer to an op that nothing waits for any more is ignored. */
export function deliver(delivery) {
  run.at = Math.max(run.at, delivery.at); // clocks of several machines may disagree; the guest's never goes back
  if (delivery.type !== "message_sent") waiting.get(delivery.op * SCATTER)?.receive(delivery);
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
