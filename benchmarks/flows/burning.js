import { add } from "../steps.py";

// Computes for about a second between trivial steps.
export async function burning(loops) {
  "use workflow";
  for (;;) {
    let sum = 0;
    for (let i = 0; i < loops; i++) sum += i;
    await add(sum, 1);
  }
}
