import { getStepMetadata, getWritable } from "workflow";
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

const priced = stepOf("step//./app.py//priced") as (order: string) => Promise<any>;
const told = stepOf("step//./app.py//told") as (value: unknown) => Promise<string>;

export async function reads({ price, due, line }: any) {
  "use step";
  return [`${price} on ${due} for ${line.count} ${line.name}`, { price, due, line }];
}

export async function pricing(order: string) {
  "use workflow";
  const [text, passed] = await reads(await priced(order));
  return [text, await told(passed)];
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

export async function endsWhen(told: string) {
  "use step";
  const { attempt } = getStepMetadata();
  heartbeat({ pid: process.pid, attempt });
  while (!existsSync(told)) await new Promise((resolve) => setTimeout(resolve, 20));
  return attempt;
}

endsWhen.maxRetries = 0; // what takes its process, or the server, from it is no failure of its own

export async function endingWhen(told: string) {
  "use workflow";
  return endsWhen(told);
}

export async function blocks(ms: number) {
  "use step";
  const until = Date.now() + ms;
  while (Date.now() < until);
  return "free again";
}

export async function blocking(ms: number) {
  "use workflow";
  return blocks(ms);
}

export async function writes(bytes: number) {
  "use step";
  const writer = getWritable<string>().getWriter();
  await writer.write("first");
  await writer.write("x".repeat(bytes));
  await writer.close();
  return bytes;
}

export async function writing(bytes: number) {
  "use workflow";
  return writes(bytes);
}

export async function meets(mark: string, others: string) {
  "use step";
  writeFileSync(mark, "");
  while (!existsSync(others)) await new Promise((resolve) => setTimeout(resolve, 5));
}

export async function meeting(one: string, two: string) {
  "use workflow";
  await Promise.all([meets(one, two), meets(two, one)]);
  return "met";
}
