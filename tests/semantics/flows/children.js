import { start } from "workflow";
import { add, await_result, spawn } from "../steps.py";

export async function doubled(n) {
  "use workflow";
  return await add(n, n);
}

export async function failing() {
  "use workflow";
  throw new RangeError("the child failed");
}

export async function applied(step, a, b) {
  "use workflow";
  return await step(a, b);
}

export async function spawnFromWorkflow(n) {
  "use workflow";
  const child = await start(doubled, [n]);
  return { child: child.runId, result: await child.result(), status: await child.status };
}

export async function spawnByName(name, n) {
  "use workflow";
  const child = await start(name, [n]);
  return await child.result();
}

export async function spawnFromStep(name, n) {
  "use workflow";
  const child = await spawn(name, n);
  return { child: child.runId, result: await child.result() };
}

export async function fibonacci(n) {
  "use workflow";
  if (n < 2) return n;
  const children = await Promise.all([start(fibonacci, [n - 1]), start(fibonacci, [n - 2])]);
  const [a, b] = await Promise.all(children.map((child) => child.result()));
  return a + b;
}

export async function childFails() {
  "use workflow";
  const child = await start(failing);
  try {
    return await child.result();
  } catch (error) {
    return { error: error.name, cause: error.cause.message };
  }
}

export async function childIsCancelled(name) {
  "use workflow";
  const child = await start(name, ["1y"]);
  await child.cancel("the parent changed its mind");
  try {
    return await child.result();
  } catch (error) {
    return { error: error.name, message: error.message, status: await child.status };
  }
}

export async function childIsUnknown() {
  "use workflow";
  try {
    await start("add_eleven");
  } catch (error) {
    return error.message;
  }
}

export async function stepAsStartArgument(a, b) {
  "use workflow";
  const child = await start(applied, [add, a, b]);
  return await child.result();
}

export async function runAsArgument(n) {
  "use workflow";
  const child = await start(doubled, [n]);
  return [await await_result(child), child.runId];
}
