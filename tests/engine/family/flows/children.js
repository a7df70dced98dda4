import { createHook, getRun, Run, sleep, start } from "workflow";
import { add, endOf, kindOf, spawn, startTwice } from "../family_steps.py";
import { addAll } from "./grandchildren.js";

export async function fibonacci(n) {
  "use workflow";
  if (n <= 1) return n;
  const runs = [await start(fibonacci, [n - 1]), await start("fibonacci", [n - 2])];
  const [a, b] = await Promise.all(runs.map((run) => run.returnValue));
  return add(a, b);
}

export async function startsImported(numbers) {
  "use workflow";
  const run = await start(addAll, [numbers]);
  return { isRun: run instanceof Run, runId: run.runId, sum: await run.returnValue, status: await run.status };
}

export async function startsByName(name, ...args) {
  "use workflow";
  const run = await start(name, args);
  return [run.runId, await run.result()];
}

export async function startsWithoutArguments() {
  "use workflow";
  const [none, replayed] = [await start(addAll), await start(addAll, { runtime: "replay" })];
  return [await none.result(), await replayed.result(), replayed.runId];
}

export async function refuses(what) {
  "use workflow";
  const calls = {
    function: () => start(() => 1),
    option: () => start(addAll, [[]], { deploymentId: "x" }),
    unknown: () => start("nobody"),
    runtime: () => start(addAll, [], { runtime: "other" }),
    own: () => getRun(own()).result(),
    handle: () => getRun(7),
    value: () => start(addAll, [() => 1]),
  };
  const own = () => what.id;
  try {
    await calls[what.call]();
  } catch (error) {
    return [error.name, error.message];
  }
}

export async function fails(message) {
  "use workflow";
  throw new RangeError(message);
}

export async function awaitsFailure() {
  "use workflow";
  const run = await start(fails, ["not today"]);
  try {
    await run.returnValue;
  } catch (error) {
    return { name: error.name, message: error.message, cause: [error.cause.name, error.cause.message], status: await run.status };
  }
}

export async function passesFailureOn() {
  "use workflow";
  return (await start(fails, ["not today"])).returnValue;
}

export async function waitsFor(token) {
  "use workflow";
  return await createHook({ token });
}

export async function cancelsItsChild(token) {
  "use workflow";
  const run = await start(waitsFor, [token]);
  await run.cancel("changed my mind");
  await run.cancel("twice is harmless");
  const seen = [await run.status];
  try {
    await run.returnValue;
  } catch (error) {
    seen.push(error.name, error.message);
  }
  const other = await start(addAll, [[1]]);
  await other.result();
  await other.cancel().catch((error) => seen.push(error.name));
  return seen;
}

export async function awaitsRun(runId) {
  "use workflow";
  const run = getRun(runId);
  try {
    return ["ended", await run.returnValue, await run.result()];
  } catch (error) {
    return [error.name, error.message];
  }
}

export async function passesHandles() {
  "use workflow";
  const run = await start(addAll, [[1, 2]]);
  const [kind, same] = await kindOf(run);
  const fromStep = await spawn("addAll", [3, 4]);
  const results = [await same.result(), await fromStep.result(), await endOf(fromStep)];
  return { kind, sameId: same.runId === run.runId, isRun: same instanceof Run, results, run };
}

export async function outlives(token) {
  "use workflow";
  const run = await start(waitsFor, [token]);
  return run.runId;
}

export async function triesToStartTwice() {
  "use workflow";
  return startTwice("addAll", [5]);
}

export async function racesAChild(token) {
  "use workflow";
  const run = await start(waitsFor, [token]);
  const first = await Promise.race([run.returnValue, sleep(10).then(() => "timer")]);
  return [first, await run.returnValue];
}

export async function manyChildren(count) {
  "use workflow";
  const runs = await Promise.all(Array.from({ length: count }, (_, n) => start(addAll, [[n, 1]])));
  const results = await Promise.all(runs.map((run) => run.result()));
  return results.reduce((a, b) => a + b, 0);
}

export async function stepAwaits(runId) {
  "use workflow";
  return endOf(getRun(runId));
}
