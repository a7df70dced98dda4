import { createHook, sleep } from "workflow";
import { add, flaky } from "../application.py";

// Sequential steps, a fan-out, timers, a retry, a hook and the run's own randomness: whatever a crash could disturb.
export async function mixed(token) {
  "use workflow";
  const hook = createHook({ token });
  let total = 0;
  const drawn = [];
  for (let i = 1; i <= 4; i++) {
    total = await add(total, i);
    drawn.push(Math.random());
  }
  const parts = await Promise.all([1, 2, 3, 4, 5].map((n) => add(n, 10)));
  await sleep(20);
  total += await flaky(parts.reduce((a, b) => a + b, 0));
  const winner = await Promise.race([sleep(5).then(() => "timer"), add(1, 1)]);
  const payload = await hook;
  await sleep(10);
  return { total: await add(total, payload.extra), winner: typeof winner, drawn, at: Date.now() > 0 };
}
