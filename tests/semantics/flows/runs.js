import { createHook, getWorkflowMetadata, setAttributes, setStatus, sleep, start } from "workflow";
import { add, pass_gate } from "../steps.py";
import { doubled } from "./children.js";

export async function telling(token) {
  "use workflow";
  await setAttributes({ customer: token, note: "brief" });
  setStatus("waiting for approval");
  await createHook({ token });
  setAttributes({ note: null, käse: "€", nothing: undefined });
  setStatus("approved");
  const sum = await add(1, 2);
  setStatus("");
  return sum;
}

export async function tellingTooMuch() {
  "use workflow";
  const refused = [];
  for (const attributes of [
    "text",
    { $status: "mine" },
    { "": "x" },
    { n: 7 },
    { ["n".repeat(257)]: "x" },
    { long: "€".repeat(86) },
    Object.fromEntries(Array.from({ length: 33 }, (_, n) => [`n${n}`, "x".repeat(256)])),
  ]) {
    try {
      setAttributes(attributes);
    } catch (error) {
      refused.push(error.message);
    }
  }
  setAttributes({ ["n".repeat(256)]: "€".repeat(85) + "x" });
  return refused;
}

export async function tellingTooMany() {
  "use workflow";
  for (const half of [0, 1]) {
    setAttributes(Object.fromEntries(Array.from({ length: 33 }, (_, n) => [`n${half}${n}`, ""])));
  }
  await sleep("1h");
}

export async function sleepingFor(duration) {
  "use workflow";
  await sleep(duration);
  return "awake";
}

export async function callingForEver(token) {
  "use workflow";
  for (;;) {
    setStatus(token);
    await add(1, 1);
    await sleep(1000);
  }
}

export async function startingWithOptions(name) {
  "use workflow";
  const attributes = { customer: name };
  const options = { runId: name, queue: "slow", priority: 7, delay: "1h", deadline: "2h", attributes };
  const child = await start(doubled, [4], options);
  const again = await start(doubled, [4], { runId: name });
  return [child.runId, again.runId, getWorkflowMetadata().workflowRunId];
}

export async function startingAt(moment) {
  "use workflow";
  return (await start(doubled, [4], { at: moment })).runId;
}

export async function startingATakenOne(name) {
  "use workflow";
  try {
    await start(doubled, [5], { runId: name });
  } catch (error) {
    return error.name;
  }
  return "started";
}

export async function startingWrongly() {
  "use workflow";
  const refused = [];
  const wrong = [{ priority: 101 }, { queue: "q".repeat(101) }, { delay: "soon" }, { attributes: { $own: "x" } }];
  for (const options of wrong) {
    try {
      await start(doubled, [4], options);
    } catch (error) {
      refused.push(error.message);
    }
  }
  return refused;
}

export async function passingAGate(name) {
  "use workflow";
  return await pass_gate(name);
}

export async function endingATimeout(token) {
  "use workflow";
  const timeout = sleep("1h").then(() => "timed out");
  return await Promise.race([createHook({ token }).then(() => "received"), timeout]);
}
