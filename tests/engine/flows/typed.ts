import { sleep } from "workflow";
import { add } from "../steps.py";

interface Order {
  id: string;
  cents: number;
}

type Receipt = { id: string; total: number };

export async function typed(order: Order): Promise<Receipt> {
  "use workflow";
  const total = (await add(order.cents, 1)) as number;
  await sleep(1);
  return { id: order.id, total };
}

export async function typedThrows(): Promise<never> {
  "use workflow";
  throw new Error("from typescript");
}
