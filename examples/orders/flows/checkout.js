import { FatalError, sleep } from "workflow";
import { charge, notify_bookkeeping, notify_customer, notify_warehouse, refund, release, reserve } from "../app.py";

/**
 * Take an order from payment to shipping, or undo what was done for it.
 *
 * This function survives the death of its worker at every `await`: it goes on there, in another process, with its
 * variables as they were. Nothing is run a second time to get there.
 */
export async function checkout(order) {
  "use workflow";
  const [payment, goods] = await Promise.allSettled([charge(order), reserve(order)]);
  for (const { reason } of [payment, goods]) {
    // Steps raise FatalError when the answer is no. Any other error has outlived its retries: the run fails with it.
    if (reason !== undefined && !(reason instanceof FatalError)) throw reason;
  }

  if (payment.status === "rejected") {
    if (goods.status === "fulfilled") await release(order);
    await notify_customer(order, "Your payment was refused, so we cancelled your order.");
    return { order: order.number, outcome: "refused" };
  }
  if (goods.status === "rejected") {
    await refund(order);
    await notify_customer(order, "We have run out of it and gave your money back.");
    return { order: order.number, outcome: "out of stock" };
  }

  // Time to pack. It could be days as well: a run that sleeps is a row in the database and nothing in any process.
  await sleep("4s");

  await Promise.all([
    notify_customer(order, "Your order is on its way."),
    notify_warehouse(order),
    notify_bookkeeping(order),
  ]);
  return { order: order.number, outcome: "shipped" };
}
