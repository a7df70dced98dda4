import { note } from "../scheduled.py";

export async function everySecond({ slot }) {
  "use workflow";
  return await note(slot);
}
