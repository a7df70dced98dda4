import { createHook, sleep } from "workflow";
import { dawdle, increment } from "../inspected_steps.py";

export async function counts(to) {
  "use workflow";
  let number = 0;
  while (number < to) number = await increment(number);
  return number;
}

export async function counts_and_waits(to, token) {
  "use workflow";
  let number = 0;
  while (number < to) number = await increment(number);
  return await createHook({ token });
}

export async function sleeps(ms) {
  "use workflow";
  await sleep(ms);
}

export async function waits(token) {
  "use workflow";
  return await createHook({ token, metadata: { for: token } });
}

export async function dawdles() {
  "use workflow";
  await dawdle();
}
