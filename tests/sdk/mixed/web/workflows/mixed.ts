import { existsSync, writeFileSync } from "node:fs";
import { cancelled, heartbeat, progress, stepOf } from "../torpor-steps.mjs";

const invoice = stepOf("step//./app.py//invoice") as (order: string, cents: number) => Promise<string>;

export async function charge(order: string, cents: number) {
  "use step";
  return `${order} paid ${cents} in TypeScript`;
}

export async function mixed(order: string) {
  "use workflow";
  return [await charge(order, 17), await invoice(order, 17)];
}

export async function diesOnce(mark: string) {
  "use step";
  if (!existsSync(mark)) {
    writeFileSync(mark, "");
    process.kill(process.pid, "SIGKILL");
    await new Promise(() => {});
  }
  return "lived";
}

export async function survives(mark: string) {
  "use workflow";
  return Promise.all([diesOnce(mark), charge("beside", 1)]);
}

export async function dies() {
  "use step";
  process.exit(3);
}

export async function waitsForEver(mark: string) {
  "use step";
  const signal = cancelled();
  heartbeat({ at: 7 });
  await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
  writeFileSync(mark, `aborted: ${signal.aborted}`);
  return "an answer that nobody wants";
}

export async function waiting(mark: string) {
  "use workflow";
  return waitsForEver(mark);
}

export async function progressed() {
  "use step";
  if (progress() === null) {
    heartbeat({ at: 7 });
    throw new Error("once more");
  }
  return progress();
}

export async function goesOn() {
  "use workflow";
  return progressed();
}
