import { sleep } from "workflow";
import { Market, Shelf, Till, add, apply, count_all, count_of as countOf, echo } from "../steps.py";

export async function staticMethodSteps(cents) {
  "use workflow";
  return Till.price(cents);
}

export async function siblingStaticSteps(cents) {
  "use workflow";
  return [await Till.price(cents), await Market.price(cents)];
}

export async function thisInStaticStep(cents) {
  "use workflow";
  return [await Till.rated(cents), await Till.rated.call(Market, cents), await apply(Till.rated.bind(Market), cents)];
}

export async function instanceMethodSteps(label) {
  "use workflow";
  const shelf = { label, boxes: 3 };
  const moved = await Shelf.moved(shelf, 5);
  return [await Shelf.count(shelf, 2), await Shelf.count(moved, 2), await count_all(Shelf.count, [shelf, moved], 10)];
}

export async function stepWithClosure(n) {
  "use workflow";
  const plus = (m) => add(n, m); // a closure of the workflow's own, which calls a step
  const bound = add.bind(null, n); // a step that carries what it is bound to
  return [await plus(1), await apply(bound, 10), await (await echo(bound))(100)];
}

export async function closureVariables(n) {
  "use workflow";
  const steps = [];
  let total = 0;
  for (let by = 1; by <= 3; by++) {
    steps.push(async () => {
      total = await add(total, n * by); // reads and writes variables of the workflow around a wait
      return by;
    });
  }
  const bys = [];
  for (const step of steps) {
    await sleep(1);
    bys.push(await step());
  }
  return [bys, total];
}

export async function methodsAsValues(label) {
  "use workflow";
  const shelf = { label, boxes: 3 };
  const count = Shelf.count.bind(shelf);
  return [
    await count(2),
    await Shelf.count.call(shelf, 3),
    await Shelf.count.apply(shelf, [4]),
    await apply(count, 5),
    await (await echo(count))(6),
    await (await countOf(shelf))(7),
  ];
}
