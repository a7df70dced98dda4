// Workflows that fall asleep in every way there is; orders.py has the same ones.

import { createHook, sleep, start } from "workflow";
import { add, broken_scale, closed_until_spring, deadly, out_of_stock, price, slow_parcel } from "../steps.py";

class Basket {
  #owner;

  constructor(owner, items) {
    this.#owner = owner;
    this.items = items;
  }

  get owner() {
    return this.#owner;
  }
}

function* numbers() {
  for (let n = 1; ; n++) yield n;
}

function counter() {
  let calls = 0;
  return () => ++calls;
}

export async function sold(item) {
  "use workflow";
  return await add(await price(item), 1);
}

export async function neverSold(item) {
  "use workflow";
  await out_of_stock(item);
}

export async function badlyWeighed() {
  "use workflow";
  return await broken_scale();
}

// Hold all kinds of values while a hook is awaited, and tell them afterwards.
export async function hold(token) {
  "use workflow";
  const basket = new Basket("Åsa", ["tea", "cup"]);
  const ordinals = numbers();
  const count = counter();
  ordinals.next();
  count();
  const when = new Date("2026-11-28T12:30:00Z");
  const big = 2n ** 70n;
  const bag = new Map([[basket, 5]]);
  const tags = new Set(["x", "y"]);
  const raw = new Uint8Array([0, 1, 2, 3]);
  const hidden = new WeakMap([[basket, "seen"]]);
  const page = new URL("https://shop.example/cart?item=tea#end");
  const words = /\w+/g;
  words.exec("tea cup");
  const loop = [basket];
  loop.push(loop);
  const drawn = [Math.random(), crypto.randomUUID()];
  console.log("drawn", JSON.stringify(drawn));
  const cost = await price("teapot");
  const payload = await createHook({ token, metadata: { basket: basket.items } });
  raw[3] = 255;
  return {
    payload,
    cost,
    basket: [basket.owner, basket.items, loop[0] === basket, loop[1] === loop],
    counted: [ordinals.next().value, count()],
    when: when.toISOString(),
    big: String(big),
    bag: bag.get(basket),
    tags: [...tags],
    raw: [...raw],
    hidden: hidden.get(basket),
    page: [page.hash, page.href],
    word: words.exec("tea cup")[0],
    drawn,
  };
}

export async function hibernate() {
  "use workflow";
  const before = await add(1, 1);
  await sleep("300d");
  return `slept after ${before}, then ${await add(2, 2)}`;
}

export async function parent(token) {
  "use workflow";
  const child = await start(mailbox, [token]);
  return ["the child says", await child.result()];
}

export async function mailbox(token) {
  "use workflow";
  const sums = [];
  for await (const letter of createHook({ token })) {
    if (letter === null) break;
    sums.push(await add(letter, sums.length));
  }
  return sums;
}

export async function patience() {
  "use workflow";
  return await closed_until_spring();
}

export async function parcel() {
  "use workflow";
  return await slow_parcel();
}

export async function caught() {
  "use workflow";
  await add(1, 1);
  return await deadly();
}

export async function crowd(token) {
  "use workflow";
  async function firstAdd() {
    return await add(await add(20, 1), await createHook({ token: `${token}-one` }));
  }
  async function firstSleep() {
    await sleep("200d");
    return "slept";
  }
  const late = sleep("400d").then(() => {
    throw new Error("too late");
  });
  return await Promise.all([
    firstAdd(),
    firstSleep(),
    Promise.race([createHook({ token: `${token}-two` }), late]),
  ]);
}

export async function secondThoughts(token) {
  "use workflow";
  const first = createHook({ token });
  const seen = [await first];
  first.dispose();
  const again = createHook({ token });
  seen.push(await again);
  seen.push(await again);
  return seen;
}

export async function tooLate(token) {
  "use workflow";
  try {
    return [await createHook({ token })];
  } catch (error) {
    return [error.name, error.token, await createHook({ token: `${token}-instead` })];
  }
}

export async function longStory(steps, token) {
  "use workflow";
  let total = 0;
  for (let n = 0; n < steps; n++) total = await add(total, n);
  return [total, await createHook({ token }), await add(total, 1)];
}
