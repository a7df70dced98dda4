async function add(first: number, second: number) {
  "use step";
  return first + second;
}

export async function addition(first: number, second: number) {
  "use workflow";
  return await add(first, second);
}
