import { start } from "workflow/api";

export async function multiply(a: number, b: number) {
  "use step";
  return a * b;
}

export async function applyTwice(step: (n: number, m: number) => Promise<number>, n: number) {
  "use step";
  return (await step(n, 2)) * 2;
}

export async function stepAsArgument() {
  "use workflow";
  return applyTwice(multiply, 10);
}

export async function closure(n: number) {
  "use workflow";
  const prefix = "Result: ";
  const factor = 3;
  const calculate = async (value: number) => {
    "use step";
    return `${prefix}${value * factor}`;
  };
  return calculate(n);
}

async function wrap(step: () => Promise<string>) {
  "use step";
  return `Wrapped: ${await step()}`;
}

export async function stepWithClosure() {
  "use workflow";
  const prefix = "Result: ";
  const factor = 3;
  const calculate = async () => {
    "use step";
    return `${prefix}${7 * factor}`;
  };
  return wrap(calculate);
}

class MathService {
  static async add(a: number, b: number) {
    "use step";
    return a + b;
  }

  static async double(n: number) {
    "use step";
    return n * 2;
  }
}

export class Calculator {
  static async calculate(a: number, b: number) {
    "use workflow";
    return MathService.double(await MathService.add(a, b));
  }
}

export class AllInOne {
  static async fiveTimes(n: number) {
    "use step";
    return n * 5;
  }

  static async process(n: number) {
    "use workflow";
    return AllInOne.fiveTimes(n);
  }
}

export class Chainable {
  static factor = 10;

  static async multiply(n: number) {
    "use step";
    return n * this.factor;
  }

  static async process(n: number) {
    "use workflow";
    const once = await Chainable.multiply(n);
    return [once, await Chainable.multiply(10), once + (await Chainable.multiply(10))];
  }
}

async function times(this: { by: number }, n: number) {
  "use step";
  return this.by * n;
}

export async function callAndApply(n: number) {
  "use workflow";
  const a = await times.call({ by: 10 }, n);
  const b = await times.apply({ by: 20 }, [n]);
  return a + b;
}

export class Point {
  constructor(
    public x: number,
    public y: number,
  ) {}

  static [Symbol.for("workflow-serialize")]({ x, y }: Point) {
    return { x, y };
  }

  static [Symbol.for("workflow-deserialize")]({ x, y }: { x: number; y: number }) {
    return new Point(x, y);
  }

  distance() {
    return Math.hypot(this.x, this.y);
  }
}

async function scaled(point: Point, by: number) {
  "use step";
  if (!(point instanceof Point)) throw new Error("no Point has arrived");
  return new Point(point.x * by, point.y * by);
}

export async function customSerialization(x: number, y: number) {
  "use workflow";
  const point = await scaled(new Point(x, y), 2);
  return [point instanceof Point, point.x, point.y, point.distance()];
}

export class Counter {
  constructor(public value: number) {}

  static [Symbol.for("workflow-serialize")]({ value }: Counter) {
    return { value };
  }

  static [Symbol.for("workflow-deserialize")]({ value }: { value: number }) {
    return new Counter(value);
  }

  async add(n: number) {
    "use step";
    return this.value + n;
  }

  async describe(label: string) {
    "use step";
    return { label, value: this.value };
  }
}

export async function instanceMethods(n: number) {
  "use workflow";
  const counter = new Counter(n);
  return [await counter.add(10), await counter.add(20), await counter.describe("counts"), await new Counter(1).add(1)];
}

export async function child(n: number) {
  "use workflow";
  return { childResult: await multiply(n, 2), originalValue: n };
}

async function spawn(n: number) {
  "use step";
  return (await start(child, [n])).runId;
}

async function valueOf(runId: string) {
  "use step";
  const { getRun } = await import("workflow/api");
  return getRun(runId).returnValue;
}

export async function spawnFromStep(n: number) {
  "use workflow";
  const runId = await spawn(n);
  return { runId, result: await valueOf(runId) };
}
