import { add, apply, echo } from "../steps.py";

export class Point {
  constructor(x, y) {
    this.x = x;
    this.y = y;
  }

  sum() {
    return this.x + this.y;
  }

  static [Symbol.for("workflow-serialize")]({ x, y }) {
    return { x, y };
  }

  static [Symbol.for("workflow-deserialize")]({ x, y }) {
    return new Point(x, y);
  }
}

export async function customSerialization(x, y) {
  "use workflow";
  const point = await echo(new Point(x, y));
  return [point instanceof Point, point.sum()];
}

export async function stepAsArgument(a, b) {
  "use workflow";
  return await apply(add, a, b);
}

export async function stepAsResult(a, b) {
  "use workflow";
  const step = await echo(add);
  return await step(a, b);
}

export async function byValue() {
  "use workflow";
  const list = [1];
  const copy = await echo(list);
  copy.push(2);
  return [list, copy];
}

export async function callAndApply() {
  "use workflow";
  const addFive = add.bind(null, 5);
  return [await add.call(null, 1, 2), await add.apply(null, [3, 4]), await addFive(6), await (await echo(addFive))(7)];
}
