import { sleep } from "workflow";
import { add } from "../steps.py";

export async function steps() {
  "use workflow";
  for (let i = 0; ; i = await add(i, 1));
}

export async function timers() {
  "use workflow";
  for (;;) await sleep(0);
}

export async function computes() {
  "use workflow";
  await add(1, 1);
  for (;;);
}
