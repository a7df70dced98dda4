import { defineHook, getWritable } from "workflow";

type Payload = { data: string; done?: boolean; metadata: unknown };
const payloads = defineHook<Payload>();

async function tell(stream: WritableStream<Uint8Array>, event: string, payload?: Payload) {
  "use step";
  const writer = stream.getWriter();
  await writer.write(new TextEncoder().encode(`${JSON.stringify({ event, payload })}\r\n`));
  writer.releaseLock();
}

export async function collectWithHook(token: string, customData: string) {
  "use workflow";
  const hook = payloads.create({ token, metadata: { customData } });
  const stream = getWritable<Uint8Array>();
  await tell(stream, "hookCreated");
  const collected: Payload[] = [];
  for await (const payload of hook) {
    await tell(stream, "hookResumed", payload);
    collected.push(payload);
    if (payload.done) break;
  }
  return { collected };
}
