import { createHook } from "workflow";
import { add, charge } from "../application.py";

export async function charges(seconds) {
  "use workflow";
  return (await charge(1000, seconds)) + (await add(1, 1));
}

export async function reserves(token) {
  "use workflow";
  try {
    await createHook({ token });
  } finally {
    await add(await add(1, 1), 1);
  }
}
