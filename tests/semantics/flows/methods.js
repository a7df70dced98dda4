import { Market, Shelf, Till, add, apply, count_all, echo } from "../steps.py";

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
  return [await Till.rated(cents), ["Till", 2 * cents]];
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
