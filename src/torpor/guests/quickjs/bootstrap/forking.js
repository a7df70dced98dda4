// A workflow that goes on several times from where it is: a step makes the forks, and its result says which one is.

import { stepsOf } from "torpor:steps";

const FORKS_MAX = 100;
const [ask] = stepsOf("torpor", ["fork"]);
let made = [];

/**
 * Let `count` new runs go on from here too. This run goes on with 0, they with 1 to `count`: each has what this one had
 * up to here, and from now on its own id, random numbers and step names. `forks()` has their handles, in this run.
 */
export async function fork(count) {
  if (!Number.isInteger(count) || count < 1 || count > FORKS_MAX) {
    throw new RangeError(`fork takes how many new runs there are to be, from 1 to ${FORKS_MAX}, not ${String(count)}`);
  }
  const { index, forks: found } = await ask(count);
  made = found;
  return index;
}

/** Return handles of the runs that this one's last `fork` has made; none in those themselves. */
export function forks() {
  return [...made];
}
