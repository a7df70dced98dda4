// What `workflow/api` does from a plain program: each line that it prints is what one act has told.

import { getHookByToken, getRun, resumeHook, start } from "workflow/api";

const of = (name) => ({ workflowId: name });
const orders = (name) => of(`workflow//./workflows/orders//${name}`);
const told = {};

async function until(look) {
  for (;;) {
    const found = await look();
    if (found) return found;
  }
}

async function thrown(work) {
  try {
    return { returned: await work() };
  } catch (error) {
    return { name: error.name, message: error.message, cause: error.cause?.message, code: error.errorCode };
  }
}

const run = await start(orders("checkout"), ["o-1"], { attributes: { customer: "c-9" } });
told.started = [run.runId.startsWith("wrun_"), await run.exists, await run.workflowName];
const parts = [];
const { readable } = run;
for await (const part of readable) parts.push(part);
told.stream = [parts, await readable.getTailIndex()];
const last = [];
for await (const part of run.getReadable({ startIndex: -1 })) last.push(part);
told.last = last;
told.woken = await until(async () => {
  const found = await run.wakeUp();
  return found.stoppedCount > 0 && found;
});
const hook = await until(() => getHookByToken("approve:o-1").catch(() => undefined));
told.hook = [hook.runId === run.runId, await hook.metadata];
told.resumed = (await resumeHook("approve:o-1", { by: "ann", at: new Date(0) })).runId === run.runId;
told.returned = await run.returnValue;
told.status = [await run.status, (await run.completedAt) >= (await run.startedAt)];

const big = await start(orders("big"), ["x".repeat(5000), new Set([7n])]);
const { text, set } = await big.returnValue;
told.big = [text.length, [...set].map(String)];

const broken = await start(orders("broken"), ["o-2"]);
told.failed = await thrown(() => broken.returnValue);
const cancelled = await start(orders("checkout"), ["o-3"]);
await cancelled.cancel({ cancelReason: "no more" });
told.cancelled = [await thrown(() => cancelled.returnValue), await cancelled.status];
told.python = await (await start(of("greet"), ["you"])).returnValue;
const missing = await start(of("look_up"), ["it"]);
told.raised = await thrown(() => missing.returnValue);
told.unknown = [
  await getRun("wrun_none").exists,
  await thrown(() => getRun("wrun_none").returnValue),
  await thrown(() => getHookByToken("none")),
  await thrown(() => resumeHook("none", 1)),
  await thrown(() => start(of("none"), [])),
];
console.log(JSON.stringify({ run: run.runId, told }));
