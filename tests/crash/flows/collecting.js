import { receive, sleep } from "workflow";
import { add } from "../application.py";

// Messages until the last one, between steps and timers that keep the run awake and let it sleep in turns.
export async function collecting() {
  "use workflow";
  const seen = [];
  for (;;) {
    const message = await receive("work");
    if (message === "stop") return seen;
    seen.push(message);
    if (message % 3 === 0) await add(message, 1);
    if (message % 7 === 0) await sleep(1);
  }
}
