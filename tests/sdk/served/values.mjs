// What `workflow/api` reads of Python's own types, and what Python gets of them when they are passed on as they are.

import { inspect } from "node:util";
import { getHookByToken, getRun, resumeHook, start } from "workflow/api";

const shown = (value) => {
  const stored = value instanceof Error ? `${value.name}: ${value.message}, left ${value.left}` : value;
  return inspect(stored, { breakLength: Infinity });
};
const made = await (await start({ workflowId: "samples" }, [])).returnValue;
const again = await (await start({ workflowId: "described" }, [made])).returnValue;
const own = await (await start({ workflowId: "described" }, [])).returnValue;
const plain = await (await start({ workflowId: "described" }, [{ copied: [...made.tuple], cut: made.tuple.slice() }])).returnValue;
const parts = [];
for await (const part of (await start({ workflowId: "streamed" }, [])).readable) parts.push(`${part}`);
const thrown = await (await start({ workflowId: "looped" }, [])).returnValue.catch((error) => error.message);
const handle = await (await start({ workflowId: "parent" }, [])).returnValue;
const run = [await getRun(handle.runId).workflowName, await (await start({ workflowId: "followed" }, [handle])).returnValue];
const priced = await start({ workflowId: "priced" }, []);
let hook;
while (hook === undefined) hook = await getHookByToken("price").catch(() => undefined);
const { price } = await hook.metadata;
await resumeHook("price", { price });
const resumed = [`${price}`, await priced.returnValue];
const read = Object.fromEntries(Object.entries(made).map(([name, value]) => [name, shown(value)]));
console.log(JSON.stringify({ read, again, own, thrown, run, resumed, plain, parts, json: JSON.stringify(made.dataclass), text: `${made.Decimal}` }));
