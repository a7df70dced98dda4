import { createHook } from "workflow";
import { add, lengthOf, textOf } from "../steps.py";

function noise(size, seed) {
  let text = "", state = seed + 1;
  while (text.length < size) {
    state = (state * 1103515245 + 12345) % 2147483648;
    text += state.toString(36);
  }
  return text.slice(0, size);
}

export async function chains(count, size) {
  "use workflow";
  const lengths = await Promise.all(
    Array.from({ length: count }, async (_, at) => {
      await add(at, 1);
      return await lengthOf(noise(size, at));
    }),
  );
  return lengths.reduce((sum, length) => sum + length, 0);
}

export async function chainsOfHooks(count, size) {
  "use workflow";
  const lengths = await Promise.all(
    Array.from({ length: count }, async (_, at) => {
      await createHook({ token: `chain-${at}` });
      return await lengthOf(noise(size, at));
    }),
  );
  return lengths.reduce((sum, length) => sum + length, 0);
}

export async function lengthsOf(count, size) {
  "use workflow";
  const texts = await Promise.all(Array.from({ length: count }, (_, at) => textOf(size, at)));
  return texts.reduce((sum, text) => sum + text.length, 0);
}
