import { createHook, createWebhook } from "workflow";
import { charge, ship, tell } from "../shop.py";

/** Each `await` may take days, and outlives the server: the run goes on in the next one, with its variables. */
export async function checkout(order, cents) {
  "use workflow";
  const receipt = await charge(order, cents);
  const approval = createWebhook();
  await tell({ approve: approval.url });
  const request = await approval;
  const parcel = createHook({ token: `parcel:${order}` });
  await tell({ approved: await request.text() });
  const carrier = await parcel;
  return [receipt, await ship(order), `with ${carrier}`];
}
