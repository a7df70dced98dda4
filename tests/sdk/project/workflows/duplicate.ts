// Another file with names that basics.ts has, too: the file is part of a name.

async function add(a: number, b: number) {
  "use step";
  return a + b + 1000;
}

export async function addTen(n: number) {
  "use workflow";
  return add(n, 10);
}

async function echo(text: string) {
  "use step";
  return text;
}

export async function echoed(text: string) {
  "use workflow";
  return echo(await echo(text));
}
