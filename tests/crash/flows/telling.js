import { getWritable } from "workflow";
import { tell } from "../application.py";

// A step that writes a stream; a worker that dies inside leaves chunks of an attempt that nobody completes.
export async function telling(count) {
  "use workflow";
  return await tell(getWritable(), count);
}
