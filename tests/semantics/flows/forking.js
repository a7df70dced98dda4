import { createHook, fork, forks, getWorkflowMetadata, sleep } from "workflow";
import { add, pass_gate } from "../steps.py";

export async function forkable(n) {
  "use workflow";
  const before = getWorkflowMetadata().workflowRunId;
  const drawn = [Math.random()];
  const first = await add(n, 1);
  console.log("first", first);
  const waits = createHook({ metadata: "which" });
  const tokens = [waits.token];
  const got = await waits;
  drawn.push(Math.random());
  tokens.push(waits.token);
  await add(1, 1);
  const ids = [before, getWorkflowMetadata().workflowRunId];
  return { first, got, ids, drawn, tokens };
}

export async function forkableBeside(name) {
  "use workflow";
  const passed = pass_gate(name);
  const slept = sleep("1h");
  const first = await add(1, 1);
  await slept;
  return [first, await passed];
}

export async function searching() {
  "use workflow";
  const first = await add(1, 1);
  const index = await fork(2);
  const found = await add(first, index);
  const others = [];
  for (const run of forks()) others.push(await run.returnValue);
  return [index, found, others.length, ...others];
}
