import { sleep, start } from "workflow";
import { add } from "../application.py";

// A parent whose children end at different moments, some while it is parked and some while it is awake.
export async function parent() {
  "use workflow";
  const runs = [await start(child, [1, 0]), await start(child, [2, 15]), await start("child", [3, 1])];
  const first = await runs[0].returnValue;
  const rest = await Promise.all(runs.slice(1).map((run) => run.returnValue));
  const late = await start(child, [4, 0]);
  return { total: await add(first + rest[0], rest[1] + (await late.returnValue)), status: await late.status };
}

export async function child(n, ms) {
  "use workflow";
  const doubled = await add(n, n);
  await sleep(ms);
  return doubled;
}
