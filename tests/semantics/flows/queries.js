import { createHook, query, sleep, state } from "workflow";
import { add, pass_gate } from "../steps.py";

let stepsDone = 0;

export async function asked(token) {
  "use workflow";
  const details = { token };
  state({ details, place: "before" });
  for (let i = 0; i < 2; i++) stepsDone = await add(stepsDone, 1);
  details.more = "ü";
  state({ place: "waiting" });
  await createHook({ token });
  return stepsDone;
}

export async function askedAtAGate(name) {
  "use workflow";
  state({ place: "gate" });
  return await pass_gate(name);
}

export const progress = query(() => ({ steps: stepsDone, ...state() }));

export const shifted = query((by, { twice = false } = {}) => stepsDone + by * (twice ? 2 : 1));

export const meddles = query(() => {
  stepsDone += 100;
  state({ place: "meddled" });
  return stepsDone;
});

export const calls_a_step = query(() => add(1, 2));

export const waits = query(() => sleep(1000));

export const raises = query(() => {
  throw new RangeError("there is no such thing");
});

export const spins = query(() => {
  for (;;);
});
