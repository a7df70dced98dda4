import { createHook, getWritable, sleep } from "workflow";

async function charge(order: string, cents: number) {
  "use step";
  return `${order} paid ${cents}`;
}

async function report(order: string) {
  "use step";
  const writer = getWritable().getWriter();
  for (let part = 1; part <= 3; part++) await writer.write({ order, part });
  await writer.close();
}

export async function checkout(order: string) {
  "use workflow";
  const receipt = await charge(order, 4200);
  await report(order);
  await sleep("1h");
  const approval = createHook<{ by: string }>({ token: `approve:${order}`, metadata: { order } });
  const { by } = await approval;
  return `${receipt}, approved by ${by}`;
}

export async function broken(order: string) {
  "use workflow";
  throw new TypeError(`${order} is broken`);
}

export async function big(text: string, set: Set<bigint>) {
  "use workflow";
  return { text, set };
}
