import { createHook, sleep } from "workflow";

// Waits for a year, or for somebody.
export async function idle(token) {
  "use workflow";
  const hook = createHook({ token });
  return await Promise.race([sleep("365d"), hook]);
}
