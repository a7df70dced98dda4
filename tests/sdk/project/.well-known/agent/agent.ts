export async function agent(n: number) {
  "use workflow";
  return double(n);
}

async function double(n: number) {
  "use step";
  return n * 2 + 1;
}
