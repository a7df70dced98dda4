// Math.random as a per-run generator: sfc32 (Chris Doty-Humphrey, PractRand), seeded with 128 bits by the host.
//
// While modules are loaded the seed is a constant, since the image is shared by all runs; a draw at that time is
// reported, and the host then evaluates the program anew in every run.

import { noteImpurity } from "torpor:purity";

const WARM_UP_ROUNDS = 15;
const state = new Uint32Array(4);

function next() {
  const [a, b, c, counter] = state;
  const result = (a + b + counter) >>> 0;
  state[0] = b ^ (b >>> 9);
  state[1] = c + (c << 3);
  state[2] = ((c << 21) | (c >>> 11)) + result;
  state[3] = counter + 1;
  return result;
}

/** Seed the generator with 32 hexadecimal digits. */
export function seedRandom(entropy) {
  for (let i = 0; i < 4; i++) state[i] = parseInt(entropy.slice(8 * i, 8 * i + 8), 16);
  for (let i = 0; i < WARM_UP_ROUNDS; i++) next();
}

/** Put the generator in place of the engine's. */
export function installRandom() {
  seedRandom("0".repeat(32));
  const random = () => {
    noteImpurity();
    return ((next() >>> 5) * 0x4000000 + (next() >>> 6)) / 0x20000000000000; // 53 bits
  };
  Object.defineProperty(random, "name", { value: "random" });
  Object.defineProperty(Math, "random", { value: random, writable: true, configurable: true });
}
