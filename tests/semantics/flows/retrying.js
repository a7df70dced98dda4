import { createHook, setStatus, sleep } from "workflow";
import { add, pass_gate, pay } from "../steps.py";

export async function paying(name) {
  "use workflow";
  const before = await add(1, 1);
  console.log("before");
  const paid = await pay(name);
  console.log("after");
  return [before, paid, await add(before, 1)];
}

export async function payingWithCleanup(name) {
  "use workflow";
  const done = [];
  try {
    done.push(await pay(name));
  } catch (error) {
    setStatus("failing");
    await sleep(10);
    done.push(await add(10, 10));
    throw error;
  }
  return [...done, await add(1, 1)];
}

export async function payingInside(name) {
  "use workflow";
  const inside = createHook({ token: `inside-${name}` });
  try {
    const paid = await pay(name);
    return [paid, await inside];
  } finally {
    inside.dispose();
  }
}

export async function payingBeside(name) {
  "use workflow";
  const outside = createHook({ token: `beside-${name}` });
  const other = pass_gate(name);
  const paid = await pay(name);
  return [paid, await other, await outside];
}

export async function failingOfItself(name) {
  "use workflow";
  await add(1, 1);
  throw new RangeError(name);
}

export async function payingTwice(name) {
  "use workflow";
  const first = await pay(`${name}-1`);
  await sleep("1h");
  return [first, await pay(`${name}-2`)];
}

export async function surviving(name) {
  "use workflow";
  try {
    return await pay(name);
  } catch {}
  await add(1, 1);
  throw new RangeError("its own mistake");
}
