import { sleep } from "workflow";
import { charge, price } from "../app.py";

export async function orderInJavaScript(item) {
  "use workflow";
  const cents = await price(item);
  await sleep((item % 7) * 1000);
  return ["old", await charge(cents)];
}
