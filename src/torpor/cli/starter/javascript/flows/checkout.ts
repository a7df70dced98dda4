// An order is charged, waits for somebody's approval, and is shipped after a while.
// A workflow sleeps at each `await`, for as long as it takes, and costs nothing then.
import { createHook, sleep } from "workflow";
import { charge, ship } from "../app.py";

export async function checkout(order: string, cents: number) {
  "use workflow";
  const receipt = await charge(order, cents);
  const approval = createHook<string>({ token: `approve:${order}` });
  const answer = await Promise.race([approval, sleep("3 days").then(() => "late")]);
  if (answer === "late") return `${order} was not approved in three days`;
  if (answer !== "yes") return `${order} was refused`;
  await sleep("2s");
  await ship(order);
  return receipt;
}
