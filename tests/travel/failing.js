import { sleep } from "workflow";
import { charge } from "./test_failures.py";

export async function atOnce(x) {
  "use workflow";
  const y = [x];
  y.z.q;
}

export async function deep(x) {
  "use workflow";
  const f = (n) => {
    if (n === 0) throw new Error("far");
    return f(n - 1);
  };
  await sleep(1);
  f(2);
}

export async function inStep(x) {
  "use workflow";
  const part = async () => {
    const n = 2;
    await charge(n);
  };
  await Promise.all([sleep("1h"), part()]);
}

export async function wrapped(x) {
  "use workflow";
  try {
    await charge(x);
  } catch (cause) {
    throw new TypeError("in vain", { cause });
  }
}

export function plain(x) {
  "use workflow";
  throw new Error(`plain ${x}`);
}

export async function rejected(x) {
  "use workflow";
  await Promise.reject(new Error("refused"));
}

export async function early(x) {
  "use workflow";
  const error = new Error("early");
  for (let i = 0; i < 3; i++) await sleep("1s");
  throw error;
}
