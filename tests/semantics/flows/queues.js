// What goes on in queues with limits.

import { createHook, start } from "workflow";
import { counted, narrow, weighed } from "../queued_steps.py";

export async function manyCounted(key, n) {
  "use workflow";
  return Math.max(...await Promise.all(Array.from({ length: n }, (_, i) => counted(key, i))));
}

export async function weighing(weights) {
  "use workflow";
  const told = [];
  for (const weight of weights) told.push(await weighed(weight));
  return told;
}

export async function waitsInAQueue(token) {
  "use workflow";
  return String(await createHook({ token }));
}

export async function startsInAQueue(token, queue, queueKey) {
  "use workflow";
  const child = await start("waitsInAQueue", [token], { queue, queueKey });
  return child.runId;
}

export async function waitsTooLong(gate) {
  "use workflow";
  const said = async () => {
    try {
      return await narrow(gate);
    } catch (error) {
      return `${error.attempts} ${error.cause.name} ${error.message}`;
    }
  };
  return Promise.all([said(), said()]);
}
