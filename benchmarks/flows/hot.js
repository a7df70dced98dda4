import { add } from "../steps.py";

// Never waits for anything but trivial steps.
export async function hot() {
  "use workflow";
  for (let i = 0; ; i = await add(i, 1));
}
