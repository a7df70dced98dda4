import { sleep, start } from "workflow";
import { charge_card, mail, price } from "../app.py";

export async function thankInJavaScript(item) {
  "use workflow";
  return await mail(`thanks for ${item}`);
}

export async function orderInJavaScript(item) {
  "use workflow";
  const cents = await price(item, 1);
  await sleep((item % 3) * 1000);
  const receipt = await charge_card(cents);
  const child = await start(thankInJavaScript, [item]);
  return ["new", receipt, await child.returnValue];
}
