async function noop(number: number) {
  "use step";
  return number;
}

/** Many steps at once, and more of them after. */
export async function brokenWf() {
  "use workflow";
  const few = await Promise.all(Array.from({ length: 5 }, (_, at) => noop(at)));
  const many = await Promise.all(Array.from({ length: 15 }, (_, at) => noop(100 + at)));
  return { numbers: [...few, ...many] };
}
