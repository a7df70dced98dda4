import { sleep } from "workflow";

// Sleeps, and nothing else.
export async function nap(ms) {
  "use workflow";
  await sleep(ms);
  return ms;
}
