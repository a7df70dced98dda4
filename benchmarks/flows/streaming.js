import { getWritable } from "workflow";
import { write } from "../steps.py";

export async function streaming(chunks, bytes, pause) {
  "use workflow";
  return await write(getWritable({ type: "bytes" }), chunks, bytes, pause);
}
