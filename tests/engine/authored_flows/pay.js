import { charge } from "../authored.py";

export async function pay(order, cents, options) {
  "use workflow";
  return [await charge(order, cents), options];
}
