export async function addAll(numbers = []) {
  "use workflow";
  return numbers.reduce((a, b) => a + b, 0);
}
