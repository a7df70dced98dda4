/** A class that workflows below get and pass on without importing it. */
export class Vector {
  constructor(
    public x: number,
    public y: number,
  ) {}

  static [Symbol.for("workflow-serialize")]({ x, y }: Vector) {
    return { x, y };
  }

  static [Symbol.for("workflow-deserialize")]({ x, y }: { x: number; y: number }) {
    return new Vector(x, y);
  }

  add(other: Vector) {
    return new Vector(this.x + other.x, this.y + other.y);
  }
}

export async function vector(x: number, y: number) {
  "use step";
  return new Vector(x, y);
}

export async function sum(a: Vector, b: Vector) {
  "use step";
  if (!(a instanceof Vector && b instanceof Vector)) throw new Error("no vectors have arrived");
  return a.add(b);
}

export async function coordinates(vector: Vector) {
  "use step";
  return [vector.x, vector.y];
}
